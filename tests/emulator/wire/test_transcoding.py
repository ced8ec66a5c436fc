"""Every answer on the published paths, checked against Google's published description of the API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from seatrial.emulator.api.faults import Fault
from tests.emulator.small_plane import ENDPOINT, MODEL, PARENT, Small
from tests.emulator.wire import discovery


class Published:
    """Calls the API by its published paths and checks every answer against the published schema."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seen: set[str] = set()

    def __call__(self, http: str, path: str, body: Any = None, query: str = "") -> Any:
        method = discovery.method(http, f"/v1/{path}")
        status, answer = self.send(http, path, body, query)
        assert status == 200, answer
        assert discovery.problems(answer, method["response"]["$ref"]) == []
        self.seen.add(method["id"].removeprefix("aiplatform.projects.locations."))
        return answer

    def done(self, operation: Any) -> Any:
        """Poll an operation at its published path until it has ended."""
        while not operation.get("done"):
            time.sleep(0.01)
            operation = self("GET", operation["name"])
        return operation

    def send(self, http: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        """Send a request unchanged; return status and answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/v1/{path}?{query}", data=data, method=http)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # http to ourselves
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@pytest.fixture
def call(small: Small) -> Published:
    return Published(small.url)


def upload(call: Published, **more: Any) -> Any:
    spec: dict[str, Any] = {"imageUri": "seatrial.local/b:1", "predictRoute": "/predict", "healthRoute": "/health"}
    spec |= {"ports": [{"containerPort": 8080}], "env": [{"name": "A", "value": "b"}], "deploymentTimeout": "600s"}
    spec |= {"startupProbe": {"exec": {"command": ["true"]}, "periodSeconds": 2}, "sharedMemorySizeMb": "64"}
    model = {"displayName": "digits", "containerSpec": spec, "artifactUri": "gs://models/x", "labels": {"a": "b"}}
    return call.done(call("POST", f"{PARENT}/models:upload", {"model": model, **more}))


def test_every_answer_is_as_published(small: Small, call: Published) -> None:
    ended = upload(call, modelId="digits")
    assert ended["response"]["modelVersionId"] == "1"
    upload(call, parentModel=MODEL)
    call("GET", MODEL)
    call("GET", f"{PARENT}/models", query="filter=labels.a=b&pageSize=5&orderBy=create_time")
    call("GET", f"{MODEL}:listVersions")
    call("POST", f"{MODEL}@2:mergeVersionAliases", {"versionAliases": ["default"]})
    call("PATCH", MODEL, {"description": "d"}, query="updateMask=description")

    endpoint = {"displayName": "digits", "dedicatedEndpointEnabled": False, "labels": {"a": "b"}}
    call.done(call("POST", f"{PARENT}/endpoints", endpoint, query="endpointId=digits"))
    small.faults.add(Fault(stage="PREPARING_MODEL", seconds=0.2, partial=(5, "one file")))
    resources: dict[str, Any] = {
        "machineSpec": {"machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    }
    resources |= {"minReplicaCount": 1, "maxReplicaCount": 2}
    resources["autoscalingMetricSpecs"] = [
        {"metricName": "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle", "target": 70}
    ]
    deployed = {"id": "1", "model": MODEL, "dedicatedResources": resources}
    ended = call.done(call("POST", f"{ENDPOINT}:deployModel", {"deployedModel": deployed, "trafficSplit": {"0": 100}}))
    assert ended["metadata"]["deploymentStage"] == "SUCCESSFULLY_DEPLOYED"
    assert ended["metadata"]["genericMetadata"]["partialFailures"] == [{"code": 5, "message": "one file"}]
    call("GET", ENDPOINT)
    call("GET", f"{PARENT}/endpoints")
    call("PATCH", ENDPOINT, {"labels": {}, "trafficSplit": {"1": 100}}, query="updateMask=labels,trafficSplit")
    answer = call("POST", f"{ENDPOINT}:predict", {"instances": [{"x": 1}], "parameters": {"y": 2}})
    assert answer["predictions"] == [{"version": "2", "got": {"x": 1}}]
    call("GET", f"{ENDPOINT}/operations", query="filter=done%3Dtrue")
    changed = {"id": "1", "dedicatedResources": {"maxReplicaCount": 3}}
    body = {"deployedModel": changed, "updateMask": "dedicatedResources.maxReplicaCount"}
    call.done(call("POST", f"{ENDPOINT}:mutateDeployedModel", body))

    call.done(call("POST", f"{ENDPOINT}:undeployModel", {"deployedModelId": "1"}))
    call.done(call("DELETE", f"{MODEL}@1:deleteVersion"))
    ended = call.done(call("DELETE", ENDPOINT))
    call("DELETE", ended["name"])
    call.done(call("DELETE", MODEL))
    assert call.seen == {
        f"models.{name}"
        for name in ("upload", "get", "list", "listVersions", "mergeVersionAliases", "patch", "deleteVersion", "delete")
    } | {
        f"endpoints.{name}"
        for name in ("create", "get", "list", "patch", "deployModel", "undeployModel", "mutateDeployedModel", "predict")
    } | {
        "endpoints.delete",
        "endpoints.operations.get",
        "endpoints.operations.list",
        "endpoints.operations.delete",
        "models.operations.get",
    }


def test_a_failed_operation_is_as_published(small: Small, call: Published) -> None:
    small.faults.add(Fault(stage="UploadModel", error=(9, "no")))
    assert upload(call, modelId="digits")["error"] == {"code": 9, "message": "no"}


def test_a_cancelled_operation_is_as_published(small: Small, call: Published) -> None:
    fault = small.faults.add(Fault(stage="CreateEndpoint", never=True))
    operation = call("POST", f"{PARENT}/endpoints", {"displayName": "digits"})
    assert fault.hit.wait(10)
    assert call("POST", f"{operation['name']}:cancel", {}) == {}
    assert call.done(operation)["error"]["code"] == 1


def test_an_error_has_googles_form(call: Published) -> None:
    status, answer = call.send("GET", MODEL)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (404, 404, "NOT_FOUND")
    status, answer = call.send("POST", f"{PARENT}/models:upload", {"model": {}, "modelId": "9bad"})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer["error"]["message"].startswith("List of found errors:\t1.Field: model_id; Message: ")


@pytest.mark.parametrize(
    ("path", "body", "query"),
    [
        (f"{PARENT}/endpoints", {"displayName": "x", "colour": "red"}, ""),
        (f"{PARENT}/endpoints", {"displayName": "x"}, "colour=red"),
        (f"{PARENT}/endpoints", {"displayName": "x"}, "colour.of=red"),
        (f"{PARENT}/endpoints", {"displayName": "x"}, "endpointId.of=red"),
        (f"{PARENT}/endpoints", {"displayName": 7}, ""),
        (f"{PARENT}/endpoints", ["x"], ""),
    ],
)
def test_unknown_fields_and_parameters_are_refused(call: Published, path: str, body: Any, query: str) -> None:
    status, answer = call.send("POST", path, body, query)
    assert status == 400
    assert "Invalid JSON payload received" in answer["error"]["message"]


def test_a_path_that_the_api_does_not_have_is_not_found(call: Published) -> None:
    assert call.send("GET", "projects/demo/nothing")[0] == 404


def test_checking_an_answer_against_its_schema_finds_problems() -> None:
    wrong = {"name": 3, "colour": "red", "createTime": "today", "deployedModels": [{"dedicatedResources": []}]}
    found = discovery.problems(wrong, "GoogleCloudAiplatformV1Endpoint")
    assert [problem.partition(":")[0].removeprefix("GoogleCloudAiplatformV1Endpoint") for problem in found] == [
        ".name",
        "",
        ".createTime",
        ".deployedModels[0].dedicatedResources",
    ]
