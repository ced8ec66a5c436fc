from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import Any

import pytest
from google.api_core.exceptions import PermissionDenied
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.vertex import messages
from seatrial.deploy.vertex.backoff import TRANSIENT
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.poller import OperationFailedError, metadata_of, span, wait
from seatrial.errors import EnvironmentFaultError, ExitCode, StillRunningError
from seatrial.project.vertex import VertexSettings
from seatrial.system import signals
from tests.deploy.emulated import QUICK, Emulated
from tests.deploy.vertex.test_versions import put
from tests.stages import ended


def creation(vertex: Vertex) -> str:
    """Begin an operation that has no stages; return its name."""
    request = messages.creation_of(VertexSettings(), vertex.target.parent, "digits")
    return str(vertex.endpoints.create_endpoint(request, timeout=5).operation.name)


def deployment(vertex: Vertex) -> str:
    """Begin an operation that has stages; return its name."""
    put(vertex, "one")
    ended(wait(vertex, creation(vertex), what="creating", timeout=5))
    deployed = v1.DeployedModel(
        id="1234567890",
        model=f"{vertex.target.parent}/models/digits@1",
        dedicated_resources=v1.DedicatedResources(machine_spec={"machine_type": "n1-standard-4"}, min_replica_count=1),
    )
    name = f"{vertex.target.parent}/endpoints/digits"
    request = v1.DeployModelRequest(endpoint=name, deployed_model=deployed)
    return str(vertex.endpoints.deploy_model(request, timeout=5).operation.name)


def test_a_signal_that_python_has_dropped_ends_the_wait_at_the_next_poll(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault(stage="PREPARING_MODEL", never=True)
    stage = wait(vertex, deployment(vertex), what="deploying", timeout=30)
    assert "preparing model" in str(next(stage))  # the only news
    signals._received.append(signal.SIGTERM)  # as when its exception was raised in a finalizer
    try:
        began = time.monotonic()
        with pytest.raises(signals.Interruption):
            next(stage)
        assert time.monotonic() - began < 5
    finally:
        signals.handled()


def test_every_stage_is_a_line_with_the_time_taken_and_the_time_left(emulator: Emulated, vertex: Vertex) -> None:
    for stage in ("PREPARING_MODEL", "GETTING_CONTAINER_IMAGE", "STARTING_MODEL_SERVER"):
        emulator.fault(stage=stage, seconds=0.4)
    end = ended(wait(vertex, deployment(vertex), what="deploying", timeout=30))
    assert end.value.done
    for stage in ("preparing model", "getting container image", "starting model server"):
        assert sum(f"deploying: {stage}, after " in step and "s left" in step for step in end.steps) == 1, end.steps
    assert end.steps[-1].startswith("deploying: done after ")
    assert vertex.awaited == {}


def test_an_operation_without_news_is_mentioned_again_and_again(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault(stage="CreateEndpoint", seconds=1.0)
    limits = replace(QUICK, heartbeat=0.2)
    end = ended(wait(vertex, creation(vertex), what="creating", timeout=30, limits=limits))
    assert sum("creating: running, after " in step for step in end.steps) >= 2


def test_a_failed_operation_gives_code_text_stage_and_partial_failures_each_said_once(
    emulator: Emulated, vertex: Vertex
) -> None:
    emulator.fault(stage="STARTING_MODEL_SERVER", partial=(14, "a node was lost"), seconds=0.5, error=(9, "it exited"))
    name = deployment(vertex)
    steps: list[str] = []
    with pytest.raises(OperationFailedError) as failure:
        steps.extend(str(event) for event in wait(vertex, name, what="deploying", timeout=30))
    failed = failure.value
    assert (failed.name, failed.what, failed.code, failed.message) == (name, "deploying", 9, "it exited")
    assert failed.partial == ("UNAVAILABLE: a node was lost",)
    assert failed.stage == "STARTING_MODEL_SERVER"
    assert sum("a node was lost" in step for step in steps) == 1
    assert vertex.awaited == {}


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_a_poll_that_fails_for_the_moment_is_made_again(emulator: Emulated, vertex: Vertex, code: int) -> None:
    flaky = emulator.fault("GetOperation", times=QUICK.failures - 1, code=code)
    assert ended(wait(vertex, creation(vertex), what="creating", timeout=30)).value.done
    assert flaky.times == 0


@pytest.mark.parametrize("fault", [{"silence": True}, {"reset": True}], ids=str)
def test_a_poll_that_is_not_answered_is_made_again(emulator: Emulated, vertex: Vertex, fault: dict[str, Any]) -> None:
    name = creation(vertex)
    unanswered = emulator.fault("GetOperation", **fault)
    assert ended(wait(vertex, name, what="creating", timeout=30)).value.done
    assert unanswered.hit.is_set()


def test_only_failures_in_a_row_end_the_waiting(emulator: Emulated, vertex: Vertex) -> None:
    slow = emulator.fault(stage="CreateEndpoint", never=True)
    name = creation(vertex)
    assert slow.hit.wait(5)
    for skipped in range(4):
        emulator.fault("GetOperation", times=QUICK.failures - 1, skip=skipped, code=13)
    with pytest.raises(StillRunningError):
        ended(wait(vertex, name, what="creating", timeout=1.5))
    emulator.fault("GetOperation", times=None, code=13, message="broken")
    with pytest.raises(EnvironmentFaultError, match=f"{QUICK.failures} polls of {name} failed in a row.*broken"):
        ended(wait(vertex, name, what="creating", timeout=30))


def test_a_refused_poll_is_not_made_again(emulator: Emulated, vertex: Vertex) -> None:
    name = creation(vertex)
    refused = emulator.fault("GetOperation", times=5, code=7, message="no")
    with pytest.raises(PermissionDenied):
        ended(wait(vertex, name, what="creating", timeout=30))
    assert refused.times == 4


def test_a_deadline_ends_the_waiting_with_the_operation_and_the_command_that_resumes(
    emulator: Emulated, vertex: Vertex
) -> None:
    emulator.fault(stage="CreateEndpoint", never=True)
    name = creation(vertex)
    with pytest.raises(StillRunningError, match="creating still runs") as late:
        ended(wait(vertex, name, what="creating", timeout=0.3))
    assert name in late.value.message
    assert "`seatrial deploy`" in late.value.fix
    assert late.value.exit_code == ExitCode.STILL_RUNNING
    assert vertex.awaited == {name: "creating"}


def test_an_operation_that_the_server_does_not_know_is_named(vertex: Vertex) -> None:
    name = f"{vertex.target.parent}/endpoints/digits/operations/1"
    with pytest.raises(EnvironmentFaultError, match=r"knows no operation .*/operations/1"):
        ended(wait(vertex, name, what="creating", timeout=5))


def test_a_cancelled_operation_has_failed_with_that_code(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault(stage="CreateEndpoint", never=True)
    name = creation(vertex)
    vertex.cancel(name)
    with pytest.raises(OperationFailedError) as failure:
        ended(wait(vertex, name, what="creating", timeout=10))
    assert failure.value.code == 1


def test_the_metadata_of_an_operation_that_no_deploy_begins_is_not_read(vertex: Vertex) -> None:
    operation = vertex.operation(creation(vertex))
    assert metadata_of(operation) is not None
    operation.metadata.type_url = "type.googleapis.com/google.cloud.aiplatform.v1.SomethingNew"
    assert metadata_of(operation) is None


@pytest.mark.parametrize(("seconds", "text"), [(0.26, "0.3 s"), (59.6, "1 min 0 s"), (42, "42 s"), (125, "2 min 5 s")])
def test_a_duration_is_said_in_words(seconds: float, text: str) -> None:
    assert span(seconds) == text
