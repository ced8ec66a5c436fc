"""Batch prediction jobs: made once, adopted while they run, found when they have ended, and cancelled."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from seatrial.deploy.batch import Ended, Job
from seatrial.deploy.vertex.batches import cancel, find_or_run, request_of
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import StillRunningError
from tests.deploy.emulated import Emulated
from tests.deploy.vertex.resources import LOST, project, version
from tests.stages import ended

DENIED, FAILED_PRECONDITION = 7, 9
HELD = {"stage": "JOB_STATE_RUNNING", "never": True}
KEY = "projects/demo/locations/us-central1/keyRings/r/cryptoKeys/k"


@pytest.fixture
def job(emulator: Emulated, vertex: Vertex) -> Job:
    emulator.objects.content["gs://bucket/rows.jsonl"] = b"1\n"
    return Job("a" * 32, version(vertex), ("gs://bucket/rows.jsonl",), "gs://bucket/out", "jsonl")


def run(vertex: Vertex, job: Job, *, again: bool = False, **batch: Any) -> Ended:
    return ended(find_or_run(vertex, job, project(batch=batch), again=again)).value


def held(emulator: Emulated, vertex: Vertex, job: Job) -> Any:
    """Make a job that runs until its fault is removed; return the fault."""
    fault = emulator.fault("CreateBatchPredictionJob", **HELD)
    with pytest.raises(StillRunningError) as raised:
        run(vertex, job, timeout=0.3)
    assert "seatrial batch" in str(raised.value.fix)
    assert fault.hit.is_set()
    return fault


def jobs(vertex: Vertex) -> list[Any]:
    return list(vertex.jobs.list_batch_prediction_jobs(parent=vertex.target.parent))


def test_a_job_is_made_and_its_rows_are_counted(vertex: Vertex, job: Job) -> None:
    found = run(vertex, job)
    assert (found.answered, found.failed, found.left, found.origin) == (1, 0, 0, "made")
    assert found.output.startswith("gs://bucket/out/prediction-Digits-")
    assert vertex.awaited == {}


def test_the_same_job_is_found_when_it_has_ended_and_another_made_only_again(vertex: Vertex, job: Job) -> None:
    first = run(vertex, job)
    assert run(vertex, job) == replace(first, origin="found")
    second = run(vertex, job, again=True)
    assert (second.origin, second.name == first.name) == ("made", False)
    other = run(vertex, replace(job, key="b" * 32))
    assert other.origin == "made"
    assert len(jobs(vertex)) == 3


def test_a_job_that_runs_is_adopted(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    fault = held(emulator, vertex, job)
    assert list(vertex.awaited.values()) == ["batch prediction by version 1"]
    emulator.fault("CreateBatchPredictionJob", times=None, code=DENIED, message="must not be called")
    with emulator.vertex() as other:
        with pytest.raises(StillRunningError):
            run(other, job, again=True, timeout=0.3)
        emulator.faults.remove(fault)
        assert run(other, job).origin in ("adopted", "found")
    assert len(jobs(vertex)) == 1


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_job_whose_answer_is_lost_is_not_made_twice(
    emulator: Emulated, vertex: Vertex, job: Job, fault: dict[str, Any], when: str, *, again: bool
) -> None:
    lost = emulator.fault("CreateBatchPredictionJob", when=when, **fault)
    assert run(vertex, job, again=again).answered == 1
    assert lost.hit.is_set()
    assert len(jobs(vertex)) == 1


def states(vertex: Vertex) -> list[str]:
    return sorted(each.state.name.removeprefix("JOB_STATE_") for each in jobs(vertex))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("denied", [False, True])
def test_of_two_runs_that_make_a_job_at_once_the_later_cancels_its_own_and_waits_for_the_other(
    emulator: Emulated, vertex: Vertex, job: Job, *, denied: bool, again: bool
) -> None:
    if again:
        run(vertex, job)
    running = emulator.fault("CreateBatchPredictionJob", times=None, **HELD)
    making = [emulator.fault("CreateBatchPredictionJob", seconds=60) for _ in range(2)]
    if denied:
        emulator.fault("CancelBatchPredictionJob", code=DENIED)
    with emulator.vertex() as other, ThreadPoolExecutor(2) as pool:
        both = [pool.submit(run, each, job, again=again) for each in (vertex, other)]
        assert all(fault.hit.wait(20) for fault in making)  # each has seen that there is no such job
        for fault in making:
            emulator.faults.remove(fault)
        expected = ["RUNNING", "RUNNING" if denied else "CANCELLED", *["SUCCEEDED"] * again]
        until = time.monotonic() + 20
        while (len(vertex.awaited), len(other.awaited)) != (1, 1) or states(vertex) != sorted(expected):
            assert time.monotonic() < until, states(vertex)
            time.sleep(0.02)
        emulator.faults.remove(running)
        adopted, made = sorted((each.result(20) for each in both), key=lambda each: each.origin)
    assert (made.origin, adopted) == ("made", replace(made, origin="adopted"))


def test_a_poll_that_fails_ends_nothing(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    fault = emulator.fault("GetBatchPredictionJob", times=3, code=13)
    assert run(vertex, job).answered == 1
    assert fault.hit.is_set()


def test_a_job_that_fails_is_told_in_the_servers_words_and_can_be_made_again(
    emulator: Emulated, vertex: Vertex, job: Job
) -> None:
    text = "Model server exited unexpectedly."
    emulator.fault("CreateBatchPredictionJob", stage="JOB_STATE_RUNNING", error=(FAILED_PRECONDITION, text))
    with pytest.raises(OperationFailedError, match=text) as raised:
        run(vertex, job)
    assert raised.value.code == FAILED_PRECONDITION
    assert run(vertex, job).origin == "made"


def test_a_job_can_be_cancelled(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    held(emulator, vertex, job)
    [name] = vertex.awaited
    assert any("CANCELLED" in text for text in ended(cancel(vertex, name, 10)).steps)
    assert [each.state.name for each in jobs(vertex)] == ["JOB_STATE_CANCELLED"]
    assert vertex.awaited == {}


def test_the_request_says_what_the_settings_say(vertex: Vertex, job: Job) -> None:
    settings = project(
        machine_type=("g2-standard-4",), accelerator_type="NVIDIA_L4", labels={"team": "vision"},
        service_account="me@demo.iam.gserviceaccount.com",
        kms_key=KEY, container_logging=False, batch={"replicas": 3, "batch_size": 16},
        spot=True,
    )  # fmt: skip
    request = request_of(vertex, job, settings, "b" * 16)
    made = request.batch_prediction_job
    assert (request.parent, made.model) == (vertex.target.parent, job.version.name)
    assert list(made.input_config.gcs_source.uris) == ["gs://bucket/rows.jsonl"]
    assert (made.input_config.instances_format, made.output_config.predictions_format) == ("jsonl", "jsonl")
    assert made.output_config.gcs_destination.output_uri_prefix == "gs://bucket/out"
    resources = made.dedicated_resources
    assert (resources.machine_spec.machine_type, resources.machine_spec.accelerator_count) == ("g2-standard-4", 1)
    assert (resources.starting_replica_count, resources.max_replica_count) == (3, 3)
    assert made.manual_batch_tuning_parameters.batch_size == 16
    assert (made.service_account, made.disable_container_logging) == ("me@demo.iam.gserviceaccount.com", True)
    assert made.encryption_spec.kms_key_name == KEY
    assert dict(made.labels) == {"team": "vision", "seatrial-batch": "a" * 32, "seatrial-run": "b" * 16}
    assert "model_parameters" not in made
