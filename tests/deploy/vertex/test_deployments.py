from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core.exceptions import ResourceExhausted
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.record import Record, record_of, with_record
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.deployments import find_or_deploy, undeploy
from seatrial.deploy.vertex.endpoints import change, delete, find, find_or_create, get
from seatrial.deploy.vertex.messages import deployed_id, deployment_of
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import EnvironmentFaultError, StillRunningError
from tests.deploy.emulated import Emulated
from tests.deploy.vertex.resources import LOST, created, deployed, project, set_split, split, version
from tests.deploy.vertex.test_versions import Killed, killing
from tests.stages import ended

UNAVAILABLE, INTERNAL, DENIED, FAILED_PRECONDITION, ABORTED = 14, 13, 7, 9, 10


def test_racing_deploys_make_one_endpoint_and_one_deployed_model(emulator: Emulated, vertex: Vertex) -> None:
    one = version(vertex)
    emulator.fault(stage="CreateEndpoint", times=None, seconds=0.1)
    emulator.fault(stage="STARTING_MODEL_SERVER", times=None, seconds=0.3)

    def deploy() -> tuple[bool, str]:
        with emulator.vertex() as own:
            endpoint, made = ended(find_or_create(own, project(), "digits")).value
            return made, ended(find_or_deploy(own, endpoint.name, one, project(), 30)).value

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(deploy) for _ in range(8)]]
    assert sum(made for made, _ in found) == 1
    assert {key for _, key in found} == set(deployed(vertex)) == {deployed_id(one.digest, project())}


def test_a_version_is_deployed_without_traffic_and_then_found(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    key = ended(find_or_deploy(vertex, name, one, project(), 10)).value
    assert key == deployed_id(one.digest, project())
    assert deployed(vertex) == [key]
    assert split(vertex) == {}
    emulator.fault("DeployModel", code=DENIED, message="must not be called")
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value == key


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_deployment_whose_answer_is_lost_is_not_made_twice(
    emulator: Emulated, vertex: Vertex, when: str, fault: dict[str, Any]
) -> None:
    one, name = version(vertex), created(vertex)
    lost = emulator.fault("DeployModel", when=when, **fault)
    key = ended(find_or_deploy(vertex, name, one, project(), 10)).value
    assert lost.hit.is_set()
    assert deployed(vertex) == [key]


def test_a_running_deployment_of_a_killed_deploy_is_waited_for(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="STARTING_MODEL_SERVER", seconds=0.4)
    vertex.endpoints.deploy_model(deployment_of(project(), name, one, "n1-standard-4"), timeout=5)
    again = emulator.fault("DeployModel", code=DENIED, message="must not be called")
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value == deployed_id(one.digest, project())
    assert not again.hit.is_set()


def test_a_deployed_model_that_is_being_undeployed_is_not_taken_for_deployed(
    emulator: Emulated, vertex: Vertex
) -> None:
    one, name = version(vertex), created(vertex)
    key = ended(find_or_deploy(vertex, name, one, project(), 10)).value
    emulator.fault(stage="UndeployModel", seconds=0.4)
    leaving = vertex.endpoints.undeploy_model(endpoint=name, deployed_model_id=key, timeout=5).operation.name
    assert not vertex.operation(leaving).done
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value == key
    assert vertex.operation(leaving).done
    assert deployed(vertex) == [key]


def test_a_deployment_that_fails_says_why_and_leaves_nothing(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="STARTING_MODEL_SERVER", error=(FAILED_PRECONDITION, "Model server exited unexpectedly."))
    with pytest.raises(OperationFailedError, match="exited unexpectedly"):
        ended(find_or_deploy(vertex, name, one, project(), 10))
    assert deployed(vertex) == []


def failing_in_the_end(vertex: Vertex, *, long_ago: bool) -> None:
    """Let every deployment that ends be read as failed, though it left its deployed model on the endpoint."""
    read = vertex.operation

    def read_as_failed(name: str, *, timeout: float | None = None) -> Any:
        operation = read(name, timeout=timeout)
        if operation.done:
            operation.error.code, operation.error.message = INTERNAL, "failed after all"
            if long_ago:
                metadata = v1.DeployModelOperationMetadata.deserialize(operation.metadata.value)
                metadata.generic_metadata.update_time = datetime.fromtimestamp(0, tz=UTC)
                operation.metadata.value = v1.DeployModelOperationMetadata.serialize(metadata)
        return operation

    vertex.operation = read_as_failed  # type: ignore[method-assign]


def test_what_a_failed_deployment_leaves_is_undeployed(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    with emulator.vertex() as own:
        failing_in_the_end(own, long_ago=False)
        with pytest.raises(OperationFailedError, match="failed after all"):
            ended(find_or_deploy(own, name, one, project(), 10))
    assert deployed(vertex) == []


def test_what_another_deploy_made_after_a_failed_deployment_stays(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    with emulator.vertex() as own:
        failing_in_the_end(own, long_ago=True)
        key = ended(find_or_deploy(own, name, one, project(), 10)).value
    assert deployed(vertex) == [key]


def test_a_deployment_that_does_not_end_is_named_and_goes_on(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="GETTING_CONTAINER_IMAGE", never=True)
    with pytest.raises(StillRunningError, match=r"endpoints/digits/operations/\d+"):
        ended(find_or_deploy(vertex, name, one, project(), 0.3))
    emulator.faults.clear()
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value in deployed(vertex)


def test_a_refused_deployment_gives_the_server_s_error(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(quota={"custom_model_serving_cpus": 0}, times=None)
    with pytest.raises(ResourceExhausted, match="quota"):
        ended(find_or_deploy(vertex, name, one, project(), 10))
    assert deployed(vertex) == []


def test_an_id_that_something_else_has_is_not_taken_for_ours(vertex: Vertex) -> None:
    one, two, name = version(vertex, "one"), version(vertex, "two"), created(vertex)
    request = deployment_of(project(), name, two, "n1-standard-4")
    request.deployed_model.id = deployed_id(one.digest, project())
    vertex.endpoints.deploy_model(request, timeout=5).result(timeout=5)
    with pytest.raises(EnvironmentFaultError, match="is version 2 of digits, not version 1"):
        ended(find_or_deploy(vertex, name, one, project(), 10))


def test_undeploying_ends_the_traffic_of_the_last_models_and_is_done_where_nothing_is(
    emulator: Emulated, vertex: Vertex
) -> None:
    one, two, name = version(vertex, "one"), version(vertex, "two"), created(vertex)
    first, second = (ended(find_or_deploy(vertex, name, each, project(), 10)).value for each in (one, two))
    set_split(vertex, name, {first: 60, second: 40})
    with pytest.raises(EnvironmentFaultError, match=f"{second} cannot be undeployed"):
        ended(undeploy(vertex, name, [second], 10))
    assert split(vertex) == {first: 60, second: 40}
    ended(undeploy(vertex, name, [first, second, "99"], 10))
    assert (deployed(vertex), split(vertex)) == ([], {})
    emulator.fault("UndeployModel", times=None, code=DENIED, message="must not be called")
    ended(undeploy(vertex, name, [first, second], 10))
    ended(undeploy(vertex, name.replace("digits", "absent"), [first], 10))


def test_undeploying_what_is_idle_leaves_the_others_traffic(vertex: Vertex) -> None:
    one, two, name = version(vertex, "one"), version(vertex, "two"), created(vertex)
    first, second = (ended(find_or_deploy(vertex, name, each, project(), 10)).value for each in (one, two))
    set_split(vertex, name, {first: 100})
    ended(undeploy(vertex, name, [second], 10))
    assert (deployed(vertex), split(vertex)) == ([first], {first: 100})


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["UpdateEndpoint", "UndeployModel", "DeleteEndpoint"])
@pytest.mark.parametrize("fault", LOST[:2], ids=str)
def test_lost_answers_while_clearing_away_leave_nothing(
    emulator: Emulated, vertex: Vertex, method: str, when: str, fault: dict[str, Any]
) -> None:
    name = created(vertex)
    key = ended(find_or_deploy(vertex, name, version(vertex), project(), 10)).value
    set_split(vertex, name, {key: 100})
    lost = emulator.fault(method, when=when, **fault)
    ended(undeploy(vertex, name, [key], 10))
    ended(delete(vertex, name, 10))
    assert lost.hit.is_set()
    assert find(vertex, "digits") is None
    ended(delete(vertex, name, 10))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_killed_run_ends_the_same_when_it_runs_again(emulator: Emulated, at: int, after: bool) -> None:
    def work(vertex: Vertex) -> None:
        endpoint, _ = ended(find_or_create(vertex, project(), "digits")).value
        old, new = (ended(find_or_deploy(vertex, endpoint.name, each, project(), 10)).value for each in (one, two))
        if not record_of(get(vertex, "digits")):
            ended(change(vertex, endpoint.name, lambda found: with_record(found, Record(new, {old: 100}))))
        ended(undeploy(vertex, endpoint.name, [new], 10))

    with emulator.vertex() as vertex:
        one, two = version(vertex, "one"), version(vertex, "two")
        calls = killing(vertex, at, after=after)
        with pytest.raises(Killed):
            work(vertex)
        assert calls() == at
    with emulator.vertex() as vertex:
        work(vertex)
        old = deployed_id(one.digest, project())
        assert deployed(vertex) == [old]
        assert record_of(get(vertex, "digits")) == Record(deployed_id(two.digest, project()), {old: 100})
        assert vertex.operations(get(vertex, "digits").name) == []


NO_CAPACITY = "Machine type temporarily unavailable, please deploy with a different machine type or retry."
SEVERAL = ("n1-standard-4", "n1-standard-8", "e2-standard-8")


def machine_of(vertex: Vertex) -> str:
    model = get(vertex, "digits").deployed_models[0]
    return model.machine_type


@pytest.mark.parametrize("code", [8, 13, UNAVAILABLE])
def test_the_next_machine_is_tried_where_there_is_no_capacity(emulator: Emulated, vertex: Vertex, code: int) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="ADDING_NODES_TO_CLUSTER", times=2, error=(code, NO_CAPACITY))
    end = ended(find_or_deploy(vertex, name, one, project(machine_type=SEVERAL), 10))
    assert end.value == deployed_id(one.digest, project(machine_type=SEVERAL))
    assert machine_of(vertex) == "e2-standard-8"
    assert [text for text in end.steps if "no capacity" in text] == [
        f"no capacity for {machine} now: trying the next machine type" for machine in SEVERAL[:2]
    ]
    emulator.fault("DeployModel", code=DENIED, message="must not be called")
    ended(find_or_deploy(vertex, name, one, project(machine_type=SEVERAL), 10))


def test_without_capacity_for_any_machine_the_last_ones_error_counts(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    fault = emulator.fault(stage="ADDING_NODES_TO_CLUSTER", times=None, error=(8, NO_CAPACITY))
    with pytest.raises(OperationFailedError, match="temporarily unavailable"):
        ended(find_or_deploy(vertex, name, one, project(machine_type=SEVERAL), 10))
    assert fault.hit.is_set()
    assert deployed(vertex) == []


def test_another_failure_tries_no_other_machine(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="STARTING_MODEL_SERVER", error=(FAILED_PRECONDITION, "Model server exited unexpectedly."))
    with pytest.raises(OperationFailedError, match="exited"):
        ended(find_or_deploy(vertex, name, one, project(machine_type=SEVERAL), 10))
    assert deployed(vertex) == []
