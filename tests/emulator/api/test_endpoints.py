from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from seatrial.emulator.api.faults import Fault
from tests.emulator.small_plane import NUMBERED, PARENT, Small, client, deploy_request, running

ENDPOINT = f"{PARENT}/endpoints/digits"
MODEL = f"{PARENT}/models/digits"
STAGES = [
    "STARTING_DEPLOYMENT",
    "PREPARING_MODEL",
    "CREATING_SERVING_CLUSTER",
    "ADDING_NODES_TO_CLUSTER",
    "GETTING_CONTAINER_IMAGE",
    "STARTING_MODEL_SERVER",
    "FINISHING_UP",
]


@pytest.fixture
def ready(small: Small) -> Small:
    """A control plane with a model and an endpoint that nothing is deployed to."""
    small.upload()
    small.endpoint()
    return small


def split_of(small: Small) -> dict[str, int]:
    return dict(small.endpoints.get_endpoint(name=ENDPOINT).traffic_split)


def deployed_ids(small: Small) -> list[str]:
    return [d.id for d in small.endpoints.get_endpoint(name=ENDPOINT).deployed_models]


def set_split(small: Small, split: dict[str, int], etag: str = "") -> v1.Endpoint:
    endpoint = v1.Endpoint(name=ENDPOINT, traffic_split=split, etag=etag)
    return small.endpoints.update_endpoint(endpoint=endpoint, update_mask={"paths": ["traffic_split"]})


def test_an_endpoint_id_that_is_there_is_refused(ready: Small) -> None:
    with pytest.raises(exceptions.AlreadyExists):
        ready.endpoint()
    assert [e.name for e in ready.endpoints.list_endpoints(parent=PARENT)] == [f"{NUMBERED}/endpoints/digits"]


def test_an_endpoint_without_a_chosen_id_gets_one_of_digits(small: Small) -> None:
    request = v1.CreateEndpointRequest(parent=PARENT, endpoint=v1.Endpoint(display_name="x"))
    made = small.endpoints.create_endpoint(request).result(timeout=20)
    assert made.name.rpartition("/")[2].isdecimal()


def test_an_update_needs_the_etag_of_the_present_state(ready: Small) -> None:
    read = ready.endpoints.get_endpoint(name=ENDPOINT)
    mask = {"paths": ["labels"]}
    ready.endpoints.update_endpoint(endpoint=v1.Endpoint(read, labels={"a": "1"}), update_mask=mask)
    with pytest.raises(exceptions.Aborted):
        ready.endpoints.update_endpoint(endpoint=v1.Endpoint(read, labels={"a": "2"}), update_mask=mask)
    assert dict(ready.endpoints.get_endpoint(name=ENDPOINT).labels) == {"a": "1"}


def test_of_many_updates_by_one_etag_exactly_one_is_made(ready: Small) -> None:
    read = ready.endpoints.get_endpoint(name=ENDPOINT)
    outcomes: list[str] = []

    def update(n: int) -> None:
        changed = v1.Endpoint(name=ENDPOINT, etag=read.etag, labels={"by": str(n)})
        try:
            ready.endpoints.update_endpoint(endpoint=changed, update_mask={"paths": ["labels"]})
            outcomes.append("made")
        except exceptions.Aborted:
            outcomes.append("aborted")

    threads = [threading.Thread(target=update, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["aborted"] * 9 + ["made"]


def test_labels_and_split_are_changed_by_one_update(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    endpoint = v1.Endpoint(name=ENDPOINT, traffic_split={"1": 100}, labels={"seatrial-rollout": "0123"})
    mask = {"paths": ["traffic_split", "labels"]}
    changed = ready.endpoints.update_endpoint(endpoint=endpoint, update_mask=mask)
    assert (dict(changed.traffic_split), dict(changed.labels)) == ({"1": 100}, {"seatrial-rollout": "0123"})


def test_a_deployment_without_a_split_gets_no_traffic(ready: Small) -> None:
    deployed = ready.deploy(ENDPOINT, MODEL, "1234567890").result(timeout=20).deployed_model
    assert (deployed.id, deployed.model, deployed.model_version_id) == ("1234567890", f"{NUMBERED}/models/digits", "1")
    assert (deployed_ids(ready), split_of(ready)) == (["1234567890"], {})
    assert ready.hosting.running == {("digits", "1234567890")}


def test_zero_stands_for_the_model_being_deployed(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    ready.deploy(ENDPOINT, MODEL, "2", {"0": 10, "1": 90}).result(timeout=20)
    assert split_of(ready) == {"2": 10, "1": 90}


@pytest.mark.parametrize("split", [{"1": 99}, {"1": 101}, {"1": 50, "0": 40}, {"1": -1, "0": 101}])
def test_a_split_that_does_not_add_up_to_100_is_refused(ready: Small, split: dict[str, int]) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    with pytest.raises(exceptions.InvalidArgument, match=r"Field: endpoint\.traffic_split"):
        set_split(ready, split)
    with pytest.raises(exceptions.InvalidArgument, match="Field: traffic_split"):
        ready.deploy(ENDPOINT, MODEL, "2", split)
    assert split_of(ready) == {"1": 100}


def test_a_split_that_names_what_is_not_deployed_is_refused(ready: Small) -> None:
    with pytest.raises(exceptions.FailedPrecondition, match=r"following DeployedModel ID\(s\) \[7\] do not exist"):
        set_split(ready, {"7": 100})


def test_an_empty_split_takes_the_traffic_away(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    assert not set_split(ready, {}).traffic_split


def test_a_deployed_model_id_cannot_be_taken_twice_not_even_while_deploying(ready: Small) -> None:
    fault = ready.faults.add(Fault(stage="PREPARING_MODEL", never=True))
    first = ready.deploy(ENDPOINT, MODEL, "1")
    assert fault.hit.wait(10)
    with pytest.raises(exceptions.AlreadyExists):
        ready.deploy(ENDPOINT, MODEL, "1")
    ready.faults.clear()
    first.result(timeout=20)
    with pytest.raises(exceptions.AlreadyExists):
        ready.deploy(ENDPOINT, MODEL, "1")
    assert deployed_ids(ready) == ["1"]


def test_a_model_with_traffic_is_undeployed_only_when_its_traffic_goes_elsewhere(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    ready.deploy(ENDPOINT, MODEL, "2").result(timeout=20)
    with pytest.raises(exceptions.FailedPrecondition, match="traffic"):
        ready.endpoints.undeploy_model(endpoint=ENDPOINT, deployed_model_id="1")
    request = v1.UndeployModelRequest(endpoint=ENDPOINT, deployed_model_id="1", traffic_split={"2": 100})
    ready.endpoints.undeploy_model(request).result(timeout=20)
    assert (deployed_ids(ready), split_of(ready)) == (["2"], {"2": 100})
    assert ready.hosting.running == {("digits", "2")}


def test_undeploying_the_last_model_leaves_an_empty_split(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    ready.endpoints.undeploy_model(endpoint=ENDPOINT, deployed_model_id="1").result(timeout=20)
    assert (deployed_ids(ready), split_of(ready), ready.hosting.running) == ([], {}, set())


def test_what_is_being_undeployed_gets_no_traffic_back(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    ready.deploy(ENDPOINT, MODEL, "2").result(timeout=20)
    fault = ready.faults.add(Fault(stage="UndeployModel", never=True))
    future = ready.endpoints.undeploy_model(endpoint=ENDPOINT, deployed_model_id="2")
    assert fault.hit.wait(10)
    with pytest.raises(exceptions.FailedPrecondition, match="being undeployed"):
        set_split(ready, {"2": 100})
    ready.faults.clear()
    future.result(timeout=20)
    assert split_of(ready) == {"1": 100}


def test_an_endpoint_with_a_deployed_model_cannot_be_deleted(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    with pytest.raises(exceptions.FailedPrecondition):
        ready.endpoints.delete_endpoint(name=ENDPOINT)
    ready.endpoints.undeploy_model(endpoint=ENDPOINT, deployed_model_id="1").result(timeout=20)
    ready.endpoints.delete_endpoint(name=ENDPOINT).result(timeout=20)
    with pytest.raises(exceptions.NotFound):
        ready.endpoints.get_endpoint(name=ENDPOINT)


def test_replicas_of_a_deployed_model_are_changed_and_nothing_else(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    changed = v1.DeployedModel(id="1", dedicated_resources={"max_replica_count": 3}, display_name="ignored")
    mask = {"paths": ["dedicated_resources.max_replica_count"]}
    request = v1.MutateDeployedModelRequest(endpoint=ENDPOINT, deployed_model=changed, update_mask=mask)
    ready.endpoints.mutate_deployed_model(request).result(timeout=20)
    [deployed] = ready.endpoints.get_endpoint(name=ENDPOINT).deployed_models
    assert (deployed.dedicated_resources.max_replica_count, deployed.display_name) == (3, "digits")
    request.update_mask = {"paths": ["dedicated_resources.machine_spec"]}
    with pytest.raises(exceptions.InvalidArgument):
        ready.endpoints.mutate_deployed_model(request)


def test_a_deployment_goes_through_vertex_stages_while_the_hosting_works(ready: Small) -> None:
    faults = [ready.faults.add(Fault(stage=stage, never=True)) for stage in STAGES]
    future = ready.deploy(ENDPOINT, MODEL, "1")
    seen = []
    for fault in faults:
        assert fault.hit.wait(10)
        metadata = v1.DeployModelOperationMetadata()
        operation = ready.endpoints.get_operation({"name": future.operation.name})
        operation.metadata.Unpack(v1.DeployModelOperationMetadata.pb(metadata))
        seen.append((metadata.deployment_stage.name, [call for call, _ in ready.hosting.calls]))
        ready.faults.remove(fault)
    future.result(timeout=20)
    before = [[], [], ["prepare"], ["prepare"], ["prepare"], ["prepare", "fetch"], ["prepare", "fetch", "start"]]
    assert seen == list(zip(STAGES, before, strict=True))
    assert future.metadata.deployment_stage.name == "SUCCESSFULLY_DEPLOYED"


def test_a_server_that_is_never_ready_fails_the_operation_and_leaves_nothing(ready: Small) -> None:
    ready.upload(parent_model=MODEL, image="seatrial.local/broken")
    future = ready.deploy(ENDPOINT, f"{MODEL}@2", "2", {"0": 100})
    with pytest.raises(exceptions.FailedPrecondition, match="never became ready"):
        future.result(timeout=20)
    assert future.metadata.deployment_stage.name == "FAILED_TO_DEPLOY"
    assert (deployed_ids(ready), split_of(ready), ready.hosting.running) == ([], {}, set())
    assert ready.models.get_model(name=f"{MODEL}@2").version_id == "2"


def test_a_cancelled_deployment_ends_with_code_1_and_leaves_nothing(ready: Small) -> None:
    ready.upload(parent_model=MODEL, image="seatrial.local/slow")
    future = ready.deploy(ENDPOINT, f"{MODEL}@2", "2")
    while not ready.hosting.running:
        threading.Event().wait(0.01)
    ready.endpoints.cancel_operation({"name": future.operation.name})
    ended = ready.done(future)
    assert (ended.done, ended.error.code) == (True, 1)
    assert (deployed_ids(ready), ready.hosting.running) == ([], set())
    ready.deploy(ENDPOINT, f"{MODEL}@1", "2").result(timeout=20)  # the id is free again


def test_partial_failures_are_in_the_metadata_and_end_nothing(ready: Small) -> None:
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


def test_an_operation_that_runs_cannot_be_deleted_and_one_that_ended_can(ready: Small) -> None:
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


def test_all_is_there_again_after_a_restart_at_the_old_port(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with running(state) as first:
        first.upload(version_aliases=["b-1"])
        first.endpoint(dedicated_endpoint_enabled=True)
        first.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
        before = first.endpoints.get_endpoint(name=ENDPOINT)
    with running(state) as second:
        assert second.endpoints.get_endpoint(name=ENDPOINT) == before
        assert second.models.get_model(name=f"{MODEL}@b-1").version_id == "1"
        own = client(v1.PredictionServiceClient, second.channel(before.dedicated_endpoint_dns))
        assert own.predict(endpoint=ENDPOINT, instances=[1]).deployed_model_id == "1"


def test_a_dedicated_endpoint_moves_when_its_port_was_taken_meanwhile(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with running(state) as first:
        dns = first.endpoint(dedicated_endpoint_enabled=True).dedicated_endpoint_dns
    with socket.create_server(("127.0.0.1", int(dns.rpartition(":")[2]))), running(state) as second:
        moved = second.endpoints.get_endpoint(name=ENDPOINT).dedicated_endpoint_dns
        assert moved != dns


def test_an_operation_that_ran_when_the_emulator_ended_has_failed_and_deployed_nothing(tmp_path: Path) -> None:
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


def test_a_restart_forgets_no_chosen_id(tmp_path: Path) -> None:
    with running(tmp_path / "state.sqlite") as first:
        first.upload()
    with running(tmp_path / "state.sqlite") as second, pytest.raises(exceptions.AlreadyExists):
        second.upload()


def test_many_deployments_to_one_endpoint_lose_no_update(ready: Small) -> None:
    futures = [ready.deploy(ENDPOINT, MODEL, str(n)) for n in range(1, 21)]
    for future in futures:
        future.result(timeout=30)
    assert sorted(map(int, deployed_ids(ready))) == list(range(1, 21))


def test_what_a_deployment_names_must_be_there(ready: Small) -> None:
    with pytest.raises(exceptions.NotFound):
        ready.deploy(ENDPOINT, f"{MODEL}@9", "1")
    with pytest.raises(exceptions.NotFound):
        ready.endpoints.deploy_model(deploy_request(f"{PARENT}/endpoints/none", MODEL, "1"))
