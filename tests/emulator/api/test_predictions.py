"""Predictions: which deployed model answers, over which address, and what is passed on."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from tests.emulator.small_plane import ENDPOINT, MODEL, NUMBERED, PARENT, Small, client

NAMED = [("x-vertex-ai-endpoint-id", "digits")]


@pytest.fixture
def shared(small: Small) -> Small:
    """A shared endpoint with two versions, 75 and 25 percent."""
    small.upload()
    small.upload(parent_model=MODEL)
    small.endpoint()
    small.deploy(ENDPOINT, f"{MODEL}@1", "1", {"0": 100}).result(timeout=20)
    small.deploy(ENDPOINT, f"{MODEL}@2", "2", {"0": 25, "1": 75}).result(timeout=20)
    return small


@pytest.fixture
def dedicated(small: Small) -> Any:
    """A dedicated endpoint with one version: its own prediction client."""
    small.upload()
    dns = small.endpoint(dedicated_endpoint_enabled=True).dedicated_endpoint_dns
    small.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    return client(v1.PredictionServiceClient, small.channel(dns))


def test_an_answer_names_its_deployed_model_and_version(shared: Small) -> None:
    answer = shared.predictions.predict(endpoint=ENDPOINT, instances=[{"b64": "AA=="}, 2])
    assert answer.model == f"{NUMBERED}/models/digits"
    assert answer.model_display_name == "digits"
    assert answer.deployed_model_id == answer.model_version_id
    assert [dict(p)["version"] for p in answer.predictions] == [answer.model_version_id] * 2


def test_requests_are_drawn_by_the_split(shared: Small) -> None:
    answers = Counter(
        shared.predictions.predict(endpoint=ENDPOINT, instances=[1]).deployed_model_id for _ in range(200)
    )
    # 25 % of 200, six standard deviations wide: fails by chance once in some hundred million runs
    assert 50 - 37 < answers["2"] < 50 + 37
    assert answers["1"] + answers["2"] == 200


def test_a_deployed_model_without_traffic_is_never_asked(shared: Small) -> None:
    endpoint = v1.Endpoint(name=ENDPOINT, traffic_split={"2": 100, "1": 0})
    shared.endpoints.update_endpoint(endpoint=endpoint, update_mask={"paths": ["traffic_split"]})
    ids = {shared.predictions.predict(endpoint=ENDPOINT, instances=[1]).deployed_model_id for _ in range(50)}
    assert ids == {"2"}


def test_an_endpoint_without_traffic_says_so(small: Small) -> None:
    small.upload()
    small.endpoint()
    small.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    with pytest.raises(exceptions.FailedPrecondition, match="doesn't have traffic_split"):
        small.predictions.predict(endpoint=ENDPOINT, instances=[1])


def test_whole_numbers_arrive_as_whole_numbers(shared: Small) -> None:
    raw = shared.predictions.predict(endpoint=ENDPOINT, instances=[{"n": 3, "x": 0.5}])
    assert json.dumps(dict(dict(raw.predictions[0])["got"]), sort_keys=True) in (
        '{"n": 3.0, "x": 0.5}',
        '{"n": 3, "x": 0.5}',
    )


def test_the_error_of_a_server_is_passed_on_with_its_text(shared: Small) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="instance 0 is bad"):
        shared.predictions.predict(endpoint=ENDPOINT, instances=["bad"])


def test_a_raw_request_is_answered_raw_with_the_ids_in_the_headers(shared: Small) -> None:
    body = httpbody_pb2.HttpBody(content_type="image/png", data=b"abc")
    request = v1.RawPredictRequest(endpoint=ENDPOINT, http_body=body)
    raw = shared.predictions.transport.raw_predict.with_call  # Google's client hides the headers
    answer, call = raw(request)
    headers = dict(call.initial_metadata())
    assert (answer.content_type, answer.data) == ("image/png", b"cba")
    assert headers["x-vertex-ai-endpoint-id"] == "digits"
    assert headers["x-vertex-ai-deployed-model-id"] in ("1", "2")


def test_raw_over_rest_is_the_servers_own_answer(shared: Small) -> None:
    url = f"{shared.url}/v1/{ENDPOINT}:rawPredict"
    request = urllib.request.Request(url, data=b"abc", headers={"Content-Type": "image/png"})  # noqa: S310  # http to ourselves
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert (answer.read(), answer.headers["Content-Type"]) == (b"cba", "image/png")
        assert answer.headers["X-Vertex-AI-Endpoint-Id"] == "digits"
        assert answer.headers["X-Vertex-AI-Deployed-Model-Id"] in ("1", "2")


def test_a_shared_endpoint_refuses_more_than_one_and_a_half_megabytes(shared: Small) -> None:
    with pytest.raises(exceptions.FailedPrecondition, match=r"exceeds 1\.500MB limit"):
        shared.predictions.predict(endpoint=ENDPOINT, instances=["x" * 1_500_001])
    assert shared.predictions.predict(endpoint=ENDPOINT, instances=["x" * 1_400_000]).predictions


def test_a_dedicated_endpoint_takes_ten_megabytes_and_refuses_more(dedicated: Any) -> None:
    body = httpbody_pb2.HttpBody(content_type="image/png", data=bytes(9_000_000))
    request = v1.RawPredictRequest(endpoint=ENDPOINT, http_body=body)
    assert len(dedicated.raw_predict(request, metadata=NAMED).data) == 9_000_000
    body.data = bytes(10_000_001)
    with pytest.raises(exceptions.FailedPrecondition, match=r"exceeds 10\.000MB limit"):
        dedicated.raw_predict(v1.RawPredictRequest(endpoint=ENDPOINT, http_body=body), metadata=NAMED)


def test_a_dedicated_endpoint_answers_at_its_own_port_and_refuses_the_shared_one(small: Small, dedicated: Any) -> None:
    assert dedicated.predict(endpoint=ENDPOINT, instances=[1], metadata=NAMED).deployed_model_id == "1"
    with pytest.raises(exceptions.FailedPrecondition, match="cannot be accessed through the shared"):
        small.predictions.predict(endpoint=ENDPOINT, instances=[1])


@pytest.mark.parametrize("metadata", [[], [("x-vertex-ai-endpoint-id", "other")]])
def test_a_dedicated_endpoint_refuses_a_request_whose_header_does_not_name_it(dedicated: Any, metadata: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="x-vertex-ai-endpoint-id"):
        dedicated.predict(endpoint=ENDPOINT, instances=[1], metadata=metadata)


def test_a_dedicated_port_answers_nothing_but_predictions_of_its_endpoint(small: Small, dedicated: Any) -> None:
    small.endpoint("other")
    with pytest.raises(exceptions.NotFound):
        dedicated.predict(endpoint=f"{PARENT}/endpoints/other", instances=[1])
    dns = small.endpoints.get_endpoint(name=ENDPOINT).dedicated_endpoint_dns
    with pytest.raises(exceptions.MethodNotImplemented):
        client(v1.EndpointServiceClient, small.channel(dns)).get_endpoint(name=ENDPOINT)


def test_the_port_of_a_deleted_endpoint_is_closed(small: Small) -> None:
    dns = small.endpoint(dedicated_endpoint_enabled=True).dedicated_endpoint_dns
    small.endpoints.delete_endpoint(name=ENDPOINT).result(timeout=20)
    own = client(v1.PredictionServiceClient, small.channel(dns))
    with pytest.raises(exceptions.ServiceUnavailable):
        own.predict(endpoint=ENDPOINT, instances=[1], timeout=5)
