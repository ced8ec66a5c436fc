"""Deployed models: deployed, undeployed, changed, and what each leaves on the endpoint."""

from __future__ import annotations

import threading

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api.faults import Fault
from tests.emulator.small_plane import (
    ENDPOINT,
    MODEL,
    NUMBERED,
    PARENT,
    Small,
    deploy_request,
    deployed_ids,
    set_split,
    split_of,
)

STAGES = [
    "STARTING_DEPLOYMENT",
    "PREPARING_MODEL",
    "CREATING_SERVING_CLUSTER",
    "ADDING_NODES_TO_CLUSTER",
    "GETTING_CONTAINER_IMAGE",
    "STARTING_MODEL_SERVER",
    "FINISHING_UP",
]


def test_a_deployment_without_a_split_gets_no_traffic(ready: Small) -> None:
    deployed = ready.deploy(ENDPOINT, MODEL, "1234567890").result(timeout=20).deployed_model
    assert (deployed.id, deployed.model, deployed.model_version_id) == ("1234567890", f"{NUMBERED}/models/digits", "1")
    assert (deployed_ids(ready), split_of(ready)) == (["1234567890"], {})
    assert ready.hosting.running == {("digits", "1234567890")}


def test_zero_means_the_model_being_deployed(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    ready.deploy(ENDPOINT, MODEL, "2", {"0": 10, "1": 90}).result(timeout=20)
    assert split_of(ready) == {"2": 10, "1": 90}


def test_a_deployed_model_id_cannot_be_used_twice_even_while_deploying(ready: Small) -> None:
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


def test_a_model_with_traffic_is_undeployed_only_if_its_traffic_goes_elsewhere(ready: Small) -> None:
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


def test_a_model_being_undeployed_gets_no_traffic_back(ready: Small) -> None:
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


def test_only_the_replicas_of_a_deployed_model_are_changed(ready: Small) -> None:
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


def test_many_deployments_to_one_endpoint_lose_no_update(ready: Small) -> None:
    futures = [ready.deploy(ENDPOINT, MODEL, str(n)) for n in range(1, 21)]
    for future in futures:
        future.result(timeout=30)
    assert sorted(map(int, deployed_ids(ready))) == list(range(1, 21))


def test_a_deployment_of_a_missing_version_or_endpoint_is_refused(ready: Small) -> None:
    with pytest.raises(exceptions.NotFound):
        ready.deploy(ENDPOINT, f"{MODEL}@9", "1")
    with pytest.raises(exceptions.NotFound):
        ready.endpoints.deploy_model(deploy_request(f"{PARENT}/endpoints/none", MODEL, "1"))
