"""`seatrial batch` with a small real predictor and a real bucket: rows, files, failures, signals and deadlines."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.vertex.client import Vertex
from seatrial.emulator.api.faults import Fault
from tests.deploy.rehearsal import Ended, Rehearsal, ended, rehearsing

PROJECT = "tests/projects/packaged-transform"
OUTPUT = "gs://seatrial-local/answers"
SIDES = ("bottom", "left", "right", "top")


@pytest.fixture
def rehearsal(copied: Callable[[str], Path]) -> Iterator[Rehearsal]:
    project = copied(PROJECT)
    with rehearsing(project, project / "build/emulator") as running:  # where the command keeps its own emulator
        yield running


def held(rehearsal: Rehearsal) -> Fault:
    """Keep the next job running until the faults are cleared."""
    return rehearsal.emulator.faults.add(Fault("CreateBatchPredictionJob", stage="JOB_STATE_RUNNING", never=True))


def image(rehearsal: Rehearsal, side: str) -> Path:
    return rehearsal.root / f"artifacts/golden/{side}.png"


def rows(rehearsal: Rehearsal, sides: Sequence[str], *more: str) -> Path:
    """Write a file of instances: the golden images of some sides, then other lines."""
    encoded = [base64.b64encode(image(rehearsal, side).read_bytes()).decode() for side in sides]
    file = rehearsal.root / "rows.jsonl"
    file.write_text("".join(f"{line}\n" for line in (*(json.dumps({"b64": each}) for each in encoded), *more)))
    return file


def batch(rehearsal: Rehearsal, file: Path | str, *arguments: str) -> Ended:
    return ended(start(rehearsal, file, *arguments))


def start(rehearsal: Rehearsal, file: Path | str, *arguments: str) -> Any:
    return rehearsal.start("--input", str(file), "--output", OUTPUT, *arguments, of=("batch",))


def lines(rehearsal: Rehearsal, folder: str, kind: str) -> list[Any]:
    place = folder.replace("gs://", f"{rehearsal.emulator.options.state}/storage/.cloudstorage/")
    return [json.loads(line) for line in Path(f"{place}/prediction.{kind}-00000-of-00001").read_text().splitlines()]


def recorded(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what the last command has written for programs."""
    found: dict[str, Any] = json.loads((rehearsal.root / "build/batch/batch.json").read_text())
    return found


def states(rehearsal: Rehearsal) -> dict[str, str]:
    """Return the state of each job."""
    with Vertex(rehearsal.target) as vertex:
        jobs = vertex.jobs.list_batch_prediction_jobs(parent=vertex.target.parent)
        return {job.name: job.state.name for job in jobs}


def test_a_proven_version_answers_rows_and_files_and_a_second_run_adopts_the_job(rehearsal: Rehearsal) -> None:
    assert rehearsal.deploy().code == 0

    failed = batch(rehearsal, rows(rehearsal, SIDES, '{"b64": "bm8gaW1hZ2U="}'), "--set", "batch.batch-size=1")
    assert (failed.code, failed.codes) == (1, ["ST718"]), failed.shown
    job = failed.report["job"]
    assert (job["answered"], job["failed"], job["left"], job["origin"]) == (4, 1, 0, "made")
    labels = [line["prediction"]["label"] for line in lines(rehearsal, job["output"], "results")]
    assert labels == list(SIDES)
    assert f"the results lie in {rehearsal.emulator.options.state}/storage/.cloudstorage/{OUTPUT[5:]}/" in failed.shown
    assert "not an image of a known format" in failed.shown
    assert recorded(rehearsal)["job"] == job

    listed = rehearsal.root / "list.txt"
    listed.write_text("".join(f"artifacts/golden/{side}.png\n" for side in SIDES))
    fault = held(rehearsal)
    child = start(rehearsal, listed, "--input-format", "file-list")
    assert fault.hit.wait(60)
    child.send_signal(signal.SIGTERM)
    stopped = ended(child)
    assert stopped.code == 128 + signal.SIGTERM
    assert "still runs: batch prediction by version 1" in stopped.shown
    told = recorded(rehearsal)
    assert (told["status"], told["verdict"]) == ("interrupted", "error")
    assert list(told["running"].values()) == ["batch prediction by version 1"]
    adopting = start(rehearsal, listed, "--input-format", "file-list")
    assert any("runs already: waiting for it" in line for line in adopting.stderr)
    rehearsal.emulator.faults.clear()
    files = ended(adopting)
    assert (files.code, files.report["job"]["origin"]) == (0, "adopted"), files.shown
    assert [line["prediction"]["label"] for line in lines(rehearsal, files.report["job"]["output"], "results")] == list(
        SIDES
    )


@pytest.mark.proof
def test_only_what_is_there_and_proven_makes_a_job(rehearsal: Rehearsal) -> None:
    given = rows(rehearsal, ["left"])
    before = batch(rehearsal, given)
    assert (before.code, "has no version that is the default" in before.shown) == (2, True), before.shown
    assert rehearsal.deploy().code == 0
    for file, more, text in (
        (given, ("--version", "7"), "has no version 7; there are 1"),
        ("gs://seatrial-local/nothing-*", (), "there is no file gs://seatrial-local/nothing-*"),
        (rehearsal.root / "nothing.jsonl", (), "cannot be used"),
        (given, ("--target", "vertex", "--set", "project=demo-1"), "is not in a bucket"),
    ):
        refused = batch(rehearsal, file, *more)
        assert (refused.code, text in refused.shown) == (2, True), refused.shown
    made = batch(rehearsal, given)
    again = batch(rehearsal, given, "--output", f"{OUTPUT}/")  # the API adds a slash itself
    assert (again.code, again.report["status"]) == (0, "unchanged")
    assert again.report["job"] == {**made.report["job"], "origin": "found"}
    assert batch(rehearsal, given, "--again").report["job"]["origin"] == "made"
    within = batch(rehearsal, "gs://seatrial-local/inputs/*/r?ws.jsonl", "--again").report["job"]
    assert (within["answered"], within["origin"]) == (1, "made")
    across = batch(rehearsal, "gs://seatrial-local/inputs/*.jsonl")
    assert (across.code, "there is no file" in across.shown) == (2, True), across.shown


@pytest.mark.proof
def test_two_commands_at_once_make_one_job_that_goes_on(rehearsal: Rehearsal) -> None:
    assert rehearsal.deploy().code == 0
    given, faults = rows(rehearsal, SIDES), rehearsal.emulator.faults
    running = faults.add(Fault("CreateBatchPredictionJob", stage="JOB_STATE_RUNNING", never=True, times=None))
    making = [faults.add(Fault("CreateBatchPredictionJob", seconds=120)) for _ in range(2)]
    children = [start(rehearsal, given) for _ in making]
    assert all(fault.hit.wait(60) for fault in making)  # both have seen that there is none
    for fault in making:
        faults.remove(fault)
    until = time.monotonic() + 60
    while "JOB_STATE_CANCELLED" not in states(rehearsal).values():
        assert time.monotonic() < until, states(rehearsal)
        time.sleep(0.1)
    faults.remove(running)
    ends = [ended(child) for child in children]
    assert [end.code for end in ends] == [0, 0], ends
    told = [end.report["job"] for end in ends]
    assert sorted(job.pop("origin") for job in told) == ["adopted", "made"]
    assert told[0] == told[1]
    left = states(rehearsal)
    assert left.pop(told[0]["name"]) == "JOB_STATE_SUCCEEDED"
    assert list(left.values()) == ["JOB_STATE_CANCELLED"]


@pytest.mark.proof
def test_a_job_beyond_its_deadline_goes_on_and_one_is_cancelled_with_its_command(rehearsal: Rehearsal) -> None:
    assert rehearsal.deploy().code == 0
    given = rows(rehearsal, ["left"])
    held(rehearsal)
    late = batch(rehearsal, given, "--set", "batch.timeout=1.0")
    assert (late.code, "run `seatrial batch` again" in late.shown) == (75, True), late.shown
    assert (recorded(rehearsal)["status"], len(recorded(rehearsal)["running"])) == ("still-running", 1)
    child = start(rehearsal, given, "--cancel-on-stop")
    assert any("runs already" in line for line in child.stderr)
    child.send_signal(signal.SIGINT)
    stopped = ended(child)
    assert (stopped.code, "CANCELLED" in stopped.shown) == (128 + signal.SIGINT, True), stopped.shown
    rehearsal.emulator.faults.clear()
    assert batch(rehearsal, given).report["job"]["origin"] == "made"


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_the_demo_answers_a_thousand_rows_and_a_killed_run_is_continued(demo: Path, tmp_path: Path) -> None:
    with rehearsing(demo, tmp_path / "state", name="digits") as rehearsal:
        assert rehearsal.deploy().code == 0
        golden = json.loads((demo / "artifacts/golden/golden.json").read_text())
        sides = [Path(example["image"]).stem for example in golden if example["image"].endswith(".png")]
        file = rows(rehearsal, [sides[number % len(sides)] for number in range(1000)])
        fault = held(rehearsal)
        child = start(rehearsal, file)
        assert fault.hit.wait(120)
        child.kill()
        child.communicate()
        adopting = start(rehearsal, file)
        assert any("runs already: waiting for it" in line for line in adopting.stderr)
        rehearsal.emulator.faults.clear()
        done = ended(adopting)
        assert done.code == 0, done.shown
        job = done.report["job"]
        assert (job["answered"], job["failed"], job["origin"]) == (1000, 0, "adopted")
        expected = {Path(example["image"]).stem: example["label"] for example in golden}
        answers = [line["prediction"]["label"] for line in lines(rehearsal, job["output"], "results")]
        assert answers == [expected[sides[number % len(sides)]] for number in range(1000)]
