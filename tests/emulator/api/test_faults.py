"""Faults on order: what each one does to calls and operations."""

from __future__ import annotations

from typing import Literal

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api import refusals
from seatrial.emulator.api.faults import Fault, Faults
from tests.emulator.small_plane import ENDPOINT, MODEL, PARENT, Small, client, deploy_request


def names(small: Small) -> list[str]:
    return [endpoint.display_name for endpoint in small.endpoints.list_endpoints(parent=PARENT)]


@pytest.mark.parametrize("code", [c for c in refusals.HTTP_STATUS if c != refusals.OK])
def test_a_call_is_refused_with_any_code_and_text(small: Small, code: int) -> None:
    fault = small.faults.add(Fault(method="ListEndpoints", code=code, message="on order"))
    with pytest.raises(exceptions.GoogleAPICallError, match="on order") as raised:
        names(small)
    assert raised.value.grpc_status_code is refusals.STATUS[code]
    assert fault.hit.is_set()
    assert names(small) == []


def test_a_fault_before_the_change_prevents_it(small: Small) -> None:
    small.faults.add(Fault(method="CreateEndpoint", code=14))
    with pytest.raises(exceptions.ServiceUnavailable):
        small.endpoint()
    assert names(small) == []


def test_a_fault_after_the_change_only_loses_the_answer(small: Small) -> None:
    small.faults.add(Fault(method="CreateEndpoint", when="after", code=14))
    with pytest.raises(exceptions.ServiceUnavailable):
        small.endpoint()
    [operation] = small.endpoints.list_operations({"name": ENDPOINT}).operations
    small.endpoints.wait_operation({"name": operation.name})
    assert names(small) == ["digits"]


def test_a_fault_skips_calls_and_ends_after_its_times(small: Small) -> None:
    small.faults.add(Fault(method="ListEndpoints", code=8, skip=1, times=2))
    outcomes = []
    for _ in range(4):
        try:
            names(small)
            outcomes.append("answered")
        except exceptions.ResourceExhausted:
            outcomes.append("refused")
    assert outcomes == ["answered", "refused", "refused", "answered"]


def test_faults_of_one_method_leave_the_others_alone_and_a_star_means_all(small: Small) -> None:
    small.faults.add(Fault(method="GetEndpoint", code=13, times=None))
    assert names(small) == []
    small.faults.add(Fault(code=13))
    with pytest.raises(exceptions.InternalServerError):
        names(small)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_dropped_connection_is_really_cut(small: Small, when: Literal["before", "after"]) -> None:
    fault = small.faults.add(Fault(method="CreateEndpoint", when=when, reset=True))
    cut = client(v1.EndpointServiceClient, small.channel(small.wire.address))
    endpoint = v1.Endpoint(display_name="digits")
    with pytest.raises(exceptions.ServiceUnavailable, match=r"(?i)socket closed|reset by peer|broken pipe"):
        cut.create_endpoint(parent=PARENT, endpoint=endpoint, endpoint_id="digits", timeout=10)
    assert fault.hit.is_set()
    if when == "after":
        [operation] = small.endpoints.list_operations({"name": ENDPOINT}).operations
        small.endpoints.wait_operation({"name": operation.name})
    assert names(small) == ([] if when == "before" else ["digits"])


def test_silence_lasts_until_the_client_gives_up(small: Small) -> None:
    fault = small.faults.add(Fault(method="ListEndpoints", silence=True))
    with pytest.raises(exceptions.DeadlineExceeded):
        small.endpoints.list_endpoints(parent=PARENT, timeout=0.3)
    assert fault.hit.is_set()
    assert names(small) == []


def test_clearing_the_faults_ends_silence_and_endless_stages(small: Small) -> None:
    small.upload()
    small.endpoint()
    fault = small.faults.add(Fault(stage="CREATING_SERVING_CLUSTER", never=True))
    future = small.deploy(ENDPOINT, MODEL, "1")
    assert fault.hit.wait(10)
    assert not future.done()
    small.faults.clear()
    assert future.result(timeout=20).deployed_model.id == "1"


def test_a_stage_ends_the_operation_with_the_ordered_text(small: Small) -> None:
    small.upload()
    small.endpoint()
    small.faults.add(Fault(stage="ADDING_NODES_TO_CLUSTER", error=(14, refusals.NO_CAPACITY)))
    with pytest.raises(exceptions.ServiceUnavailable, match="temporarily unavailable"):
        small.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    assert not small.endpoints.get_endpoint(name=ENDPOINT).deployed_models
    assert small.hosting.running == set()


def test_an_operation_without_stages_is_addressed_by_the_name_of_its_method(small: Small) -> None:
    text = refusals.artifacts_unreadable("gs://bucket/bundle", refusals.service_agent("123456789012"))
    small.faults.add(Fault(stage="UploadModel", error=(9, text)))
    with pytest.raises(exceptions.FailedPrecondition, match=r"storage\.objects\.get"):
        small.upload()
    with pytest.raises(exceptions.NotFound):
        small.models.get_model(name=MODEL)
    assert small.upload().model_version_id == "1"


def test_a_missing_permission_is_named(small: Small) -> None:
    fault = small.faults.add(Fault(denied=frozenset({"aiplatform.endpoints.list"})))
    assert not fault.hit.is_set()
    with pytest.raises(
        exceptions.PermissionDenied, match=r"Permission 'aiplatform\.endpoints\.list' denied on resource"
    ):
        names(small)
    assert fault.hit.is_set()


def test_a_disabled_api_says_where_to_enable_it(small: Small) -> None:
    small.faults.add(Fault(disabled=frozenset({"aiplatform.googleapis.com"})))
    with pytest.raises(exceptions.PermissionDenied, match="has not been used in project"):
        names(small)


def test_a_quota_counts_the_requested_replicas(small: Small) -> None:
    small.upload()
    small.endpoint()
    small.faults.add(Fault(quota={"custom_model_serving_cpus": 7}))
    small.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    request = deploy_request(ENDPOINT, MODEL, "2")
    request.deployed_model.dedicated_resources.max_replica_count = 2
    with pytest.raises(exceptions.ResourceExhausted, match="quota metrics exceed quota limits"):
        small.endpoints.deploy_model(request)


def test_faults_are_read_from_json() -> None:
    faults = Faults()
    [one, two] = faults.from_json(
        '[{"method": "DeployModel", "code": 8, "times": null}, {"stage": "PREPARING_MODEL", "error": [9, "no"]}]'
    )
    assert (one.method, one.code, one.times, two.error) == ("DeployModel", 8, None, (9, "no"))
    with pytest.raises(ValueError, match="no fault has colour"):
        faults.from_json('{"colour": "red"}')


def test_an_unknown_method_is_unimplemented(small: Small) -> None:
    call = small.channel(small.wire.address).unary_unary("/google.cloud.aiplatform.v1.ModelService/ExportModel")
    with pytest.raises(grpc.RpcError) as raised:
        call(v1.ExportModelRequest.serialize(v1.ExportModelRequest()), timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
