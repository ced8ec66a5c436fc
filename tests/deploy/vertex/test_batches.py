"""Batch prediction jobs: made once, adopted while they run, found when they have ended, and cancelled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from google.api_core import exceptions

from seatrial.deploy.batch import Ended, Job
from seatrial.deploy.batch import cancel as cancel_all
from seatrial.deploy.vertex.batches import cancel, find_or_run, request_of
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.platform import VertexPlatform
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.deploy.vertex.preflight import BATCH_PERMISSIONS
from seatrial.emulator.api.control_plane import _PERMISSIONS
from seatrial.errors import StillRunningError
from tests.deploy.emulated import QUICK, Emulated
from tests.deploy.vertex.resources import LOST, project, version
from tests.stages import ended

DENIED, FAILED_PRECONDITION = 7, 9
HELD = {"stage": "JOB_STATE_RUNNING", "never": True}
BRIEF = replace(QUICK, write=0.3)  # for the request whose answer is lost
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


def test_a_job_is_made_and_its_rows_are_counted(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    emulator.fault(denied=frozenset(_PERMISSIONS.values()) - BATCH_PERMISSIONS.keys())
    found = run(vertex, job)
    assert (found.answered, found.failed, found.left, found.origin) == (1, 0, 0, "made")
    assert found.output.startswith("gs://bucket/out/prediction-Digits-")
    assert vertex.awaited == {}


def test_on_google_cloud_a_job_is_told_with_its_page_in_the_console(vertex: Vertex, job: Job) -> None:
    vertex.target = replace(vertex.target, name="vertex")
    made = ended(find_or_run(vertex, job, project(), again=False))
    number = made.value.name.rpartition("/")[2]
    page = f"locations/us-central1/batch-predictions/{number}?project=demo"
    assert made.steps[0] == f"job {number} is made: https://console.cloud.google.com/agent-platform/{page}"


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


@pytest.mark.parametrize("said", ["is made", "runs already"])
def test_a_job_can_be_told_and_cancelled_from_the_moment_at_which_it_is_named(
    emulator: Emulated, vertex: Vertex, job: Job, said: str
) -> None:
    if said == "runs already":
        held(emulator, vertex, job)
    with emulator.vertex() as other:
        stage = find_or_run(other, job, project(), again=False)
        while said not in str(next(stage)):  # where a signal may come
            pass
        assert list(other.awaited) == [jobs(vertex)[0].name]
        stage.close()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_job_whose_answer_is_lost_is_not_made_twice(
    emulator: Emulated, vertex: Vertex, job: Job, fault: dict[str, Any], when: str, *, again: bool
) -> None:
    lost = emulator.fault("CreateBatchPredictionJob", when=when, **fault)
    with emulator.vertex(BRIEF) as brief:
        assert run(brief, job, again=again).answered == 1
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


def late(emulator: Emulated) -> Any:
    """Let the first request for a job arrive when its fault is removed, long after its sender has given it up."""
    return emulator.fault("CreateBatchPredictionJob", seconds=60, late=True)


def held_twins(emulator: Emulated) -> tuple[Any, Any]:
    """Let the first job run until its fault is removed, and the second until its own is."""
    return tuple(emulator.fault("CreateBatchPredictionJob", skip=number, **HELD) for number in range(2))  # type: ignore[return-value]


def until(vertex: Vertex, *expected: str) -> None:
    end = time.monotonic() + 20
    while states(vertex) != sorted(expected):
        assert time.monotonic() < end, states(vertex)
        time.sleep(0.02)


@contextlib.contextmanager
def of_two_jobs(emulator: Emulated, vertex: Vertex, job: Job, **fault: Any) -> Iterator[Future[Any]]:
    """Yield what comes of a run that has two jobs, because its first request arrived late; the first has the fault."""
    lost, (first, _) = late(emulator), held_twins(emulator)
    for name, value in fault.items():
        setattr(first, name, value)
    with ThreadPoolExecutor(1) as pool, emulator.vertex(BRIEF) as other:
        result = pool.submit(run, other, job)
        until(vertex, "RUNNING")
        emulator.faults.remove(lost)
        until(vertex, "RUNNING", "RUNNING")
        emulator.faults.remove(first)
        yield result


def test_a_request_that_arrives_late_makes_a_second_job_that_is_cancelled_before_the_end(
    emulator: Emulated, vertex: Vertex, job: Job
) -> None:
    with of_two_jobs(emulator, vertex, job) as result:
        assert result.result(20).origin == "made"
    until(vertex, "CANCELLED", "SUCCEEDED")


def test_a_second_job_of_a_run_that_fails_is_cancelled_too(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    error = (FAILED_PRECONDITION, "Model server exited unexpectedly.")
    with of_two_jobs(emulator, vertex, job, error=error) as result, pytest.raises(OperationFailedError):
        result.result(20)
    until(vertex, "CANCELLED", "FAILED")


def test_a_request_that_arrives_before_the_second_look_leaves_the_older_job(
    emulator: Emulated, vertex: Vertex, job: Job
) -> None:
    lost, (first, _) = late(emulator), held_twins(emulator)
    look = emulator.fault("ListBatchPredictionJobs", skip=2, seconds=60)  # what is there, what was made, then this
    with ThreadPoolExecutor(1) as pool, emulator.vertex(replace(BRIEF, call=30.0)) as other:
        result = pool.submit(run, other, job)
        assert look.hit.wait(20)
        emulator.faults.remove(lost)
        until(vertex, "RUNNING", "RUNNING")
        emulator.faults.remove(look)
        until(vertex, "RUNNING", "CANCELLED")
        emulator.faults.remove(first)
        made = result.result(20)
    assert (made.origin, made.name) == ("made", min(jobs(vertex), key=lambda each: each.create_time).name)


@pytest.mark.parametrize("has_ended", [False, True])
def test_the_next_run_cancels_the_second_job_of_one_before_it(
    emulator: Emulated, vertex: Vertex, job: Job, *, has_ended: bool
) -> None:
    lost, (first, _) = late(emulator), held_twins(emulator)
    with emulator.vertex(BRIEF) as before:
        if has_ended:
            emulator.faults.remove(first)
            run(before, job)
        else:
            with pytest.raises(StillRunningError):
                run(before, job, timeout=0.1)
    state = "SUCCEEDED" if has_ended else "RUNNING"
    emulator.faults.remove(lost)
    until(vertex, state, "RUNNING")
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(run, vertex, job)
        until(vertex, state, "CANCELLED")
        emulator.faults.remove(first)
        assert result.result(20).origin in (("found",) if has_ended else ("adopted", "found"))


def test_a_second_job_that_may_not_be_cancelled_is_told_and_changes_nothing_else(
    emulator: Emulated, vertex: Vertex, job: Job
) -> None:
    lost, (first, _) = late(emulator), held_twins(emulator)
    emulator.faults.remove(first)
    with emulator.vertex(BRIEF) as before:
        run(before, job)
    emulator.faults.remove(lost)
    until(vertex, "SUCCEEDED", "RUNNING")
    emulator.fault("CancelBatchPredictionJob", code=DENIED)
    seen = ended(find_or_run(vertex, job, project(), again=False))
    assert seen.value.origin == "found"
    assert any("could not be cancelled: PERMISSION_DENIED" in text for text in seen.steps)


def test_a_job_that_is_being_cancelled_is_not_waited_for(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    held(emulator, vertex, job)
    [name] = vertex.awaited
    emulator.hosting.may_stop.clear()
    with pytest.raises(exceptions.DeadlineExceeded):
        vertex.jobs.cancel_batch_prediction_job(name=name, timeout=0.3)
    assert states(vertex) == ["CANCELLING"]
    with pytest.raises(StillRunningError):
        run(vertex, job, timeout=0.3)
    assert len(jobs(vertex)) == 2


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


def test_a_job_that_may_not_be_cancelled_is_said_to_run_still(emulator: Emulated, vertex: Vertex, job: Job) -> None:
    held(emulator, vertex, job)
    emulator.fault("CancelBatchPredictionJob", code=DENIED)
    [told] = ended(cancel_all(VertexPlatform(vertex), 10)).steps
    assert told.startswith(f"batch prediction by version 1, {jobs(vertex)[0].name}, may still run: ")
    assert states(vertex) == ["RUNNING"]


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
