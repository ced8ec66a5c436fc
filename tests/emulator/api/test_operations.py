"""Long-running operations: listed, deleted, and failed if the emulator ended first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.longrunning import operations_pb2

from seatrial.emulator.api.faults import Fault
from tests.emulator.small_plane import (
    ENDPOINT,
    MODEL,
    PARENT,
    Small,
    deployed_ids,
    running,
)


def test_partial_failures_are_in_the_metadata_and_do_not_end_the_operation(ready: Small) -> None:
    ready.faults.add(Fault(stage="PREPARING_MODEL", partial=(5, "one file could not be read")))
    future = ready.deploy(ENDPOINT, MODEL, "1")
    future.result(timeout=20)
    [failure] = future.metadata.generic_metadata.partial_failures
    assert (failure.code, failure.message) == (5, "one file could not be read")


def test_operations_are_listed_by_resource_and_by_whether_they_run(ready: Small) -> None:
    fault = ready.faults.add(Fault(stage="ADDING_NODES_TO_CLUSTER", never=True))
    future = ready.deploy(ENDPOINT, MODEL, "1")
    assert fault.hit.wait(10)

    def listed(name: str, text: str) -> list[str]:
        request = operations_pb2.ListOperationsRequest(name=name, filter=text)
        answered = ready.endpoints.list_operations(request).operations
        return [o.metadata.type_url.rpartition(".")[2].removesuffix("OperationMetadata") for o in answered]

    assert listed(ENDPOINT, "done=false") == ["DeployModel"]
    assert listed(ENDPOINT, "") == ["DeployModel", "CreateEndpoint"]
    assert listed(MODEL, "") == ["UploadModel"]
    assert listed(PARENT, "done=true") == ["CreateEndpoint", "UploadModel"]
    ready.faults.clear()
    future.result(timeout=20)
    assert listed(ENDPOINT, "done=false") == []


@pytest.mark.parametrize("wrong", [{"page_token": "next"}, {"page_size": -1}], ids=str)
def test_a_page_that_there_cannot_be_is_refused(ready: Small, wrong: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        ready.endpoints.list_operations(operations_pb2.ListOperationsRequest(name=ENDPOINT, **wrong))


def test_an_operation_can_be_deleted_only_after_its_end(ready: Small) -> None:
    fault = ready.faults.add(Fault(stage="FINISHING_UP", never=True))
    future = ready.deploy(ENDPOINT, MODEL, "1")
    assert fault.hit.wait(10)
    name = {"name": future.operation.name}
    with pytest.raises(exceptions.FailedPrecondition):
        ready.endpoints.delete_operation(name)
    ready.faults.clear()
    future.result(timeout=20)
    ready.endpoints.delete_operation(name)
    with pytest.raises(exceptions.NotFound):
        ready.endpoints.get_operation(name)


def test_an_operation_that_ran_when_the_emulator_ended_fails_and_deploys_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with running(state) as first:
        first.upload()
        first.endpoint()
        fault = first.faults.add(Fault(stage="FINISHING_UP", never=True))
        future = first.deploy(ENDPOINT, MODEL, "1", {"0": 100})
        assert fault.hit.wait(10)
        first.plane.operations.closing.set()  # as if killed: nothing is written any more
    with running(state) as second:
        ended = second.endpoints.get_operation({"name": future.operation.name})
        assert (ended.done, ended.error.code) == (True, 13)
        assert deployed_ids(second) == []
        second.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
