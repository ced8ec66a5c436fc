"""Requests that break one documented rule each, and the request that breaks none."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api import validation
from seatrial.emulator.api.refusals import RefusedError

PARENT = "projects/demo/locations/us-central1"
RESOURCES = "deployed_model.dedicated_resources"
N1 = {"machine_type": "n1-standard-4"}
CPU = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
DUTY = "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle"
NETWORK = "projects/1/global/networks/n"
TOO_LONG = {"inference_timeout": {"seconds": 3601}}


def upload(**more: Any) -> Any:
    spec = {"image_uri": "us-central1-docker.pkg.dev/demo/models/digits:1", "predict_route": "/p", "health_route": "/h"}
    model = {"display_name": "digits", "container_spec": {**spec, **more.pop("spec", {})}, **more.pop("model", {})}
    return v1.UploadModelRequest.pb(v1.UploadModelRequest(parent=PARENT, model=model, **more))


def endpoint(endpoint_id: str = "digits", **fields: Any) -> Any:
    message = v1.CreateEndpointRequest(
        parent=PARENT, endpoint_id=endpoint_id, endpoint={"display_name": "digits", **fields}
    )
    return v1.CreateEndpointRequest.pb(message)


def deploy(machine: dict[str, Any] | None = None, split: dict[str, int] | None = None, **more: Any) -> Any:
    resources = {"min_replica_count": 1, "machine_spec": machine or {"machine_type": "n1-standard-4"}}
    resources |= more.pop("resources", {})
    deployed = {"id": "12", "model": f"{PARENT}/models/digits", "dedicated_resources": resources, **more}
    message = v1.DeployModelRequest(
        endpoint=f"{PARENT}/endpoints/digits", deployed_model=deployed, traffic_split=split or {}
    )
    return v1.DeployModelRequest.pb(message)


def autoscaled(*metrics: dict[str, Any]) -> Any:
    return deploy(resources={"autoscaling_metric_specs": list(metrics)})


def refused(check: Any, *arguments: Any) -> str:
    with pytest.raises(RefusedError) as raised:
        check(*arguments)
    assert raised.value.code == 3
    return raised.value.message


def test_requests_that_follow_every_rule_pass() -> None:
    full = {"version_aliases": ["b-0123"], "labels": {"team": "vision"}, "artifact_uri": "gs://models/bundles/0123"}
    probe = {"exec_": {"command": ["true"]}, "period_seconds": 5}
    spec = {"env": [{"name": "A_1", "value": ""}], "ports": [{"container_port": 8080}], "startup_probe": probe}
    validation.upload_model(upload(model_id="digits_2", model=full, spec=spec), "us-central1")
    local = {"image_uri": "seatrial.local/bundle:0123456789abcdef"}
    validation.upload_model(upload(spec=local), "us-central1")
    validation.create_endpoint(endpoint(dedicated_endpoint_enabled=True, labels={"a": ""}))
    accelerator = {"machine_type": "g2-standard-4", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}
    metrics = [{"metric_name": metric, "target": 60} for metric in (CPU, DUTY)]
    validation.deploy_model(deploy(accelerator, {"0": 100}, resources={"autoscaling_metric_specs": metrics}))


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("model_id", {"model_id": "9digits"}),
        ("model_id", {"model_id": "Digits"}),
        ("model_id", {"model_id": "x" * 64}),
        ("model_id", {"model_id": "digits", "parent_model": f"{PARENT}/models/digits"}),
        ("service_account", {"service_account": "me"}),
        ("model.display_name", {"model": {"display_name": ""}}),
        ("model.display_name", {"model": {"display_name": "x" * 129}}),
        ("model.labels", {"model": {"labels": {"Team": "x"}}}),
        ("model.labels", {"model": {"labels": {"team": "Vision"}}}),
        ("model.labels", {"model": {"labels": {"1team": "x"}}}),
        ("model.labels", {"model": {"labels": {"team": "x" * 65}}}),
        ("model.labels", {"model": {"labels": {f"k{n}": "" for n in range(65)}}}),
        ("model.version_aliases", {"model": {"version_aliases": ["7"]}}),
        ("model.version_aliases", {"model": {"version_aliases": ["a_b"]}}),
        ("model.version_aliases", {"model": {"version_aliases": ["a"]}}),
        ("model.version_aliases", {"model": {"version_aliases": ["a" * 129]}}),
        ("model.artifact_uri", {"model": {"artifact_uri": "s3://models"}}),
        ("model.encryption_spec.kms_key_name", {"model": {"encryption_spec": {"kms_key_name": "k"}}}),
        ("model.container_spec.image_uri", {"spec": {"image_uri": ""}}),
        ("model.container_spec.image_uri", {"spec": {"image_uri": "https://x/y"}}),
        ("model.container_spec.image_uri", {"spec": {"image_uri": "us-docker.pkg.dev/demo/models/digits"}}),
        ("model.container_spec.image_uri", {"spec": {"image_uri": "europe-west4-docker.pkg.dev/demo/m/digits"}}),
        ("model.container_spec.predict_route", {"spec": {"predict_route": "predict"}}),
        ("model.container_spec.invoke_route_prefix", {"spec": {"invoke_route_prefix": "/*"}}),
        ("model.container_spec.ports", {"spec": {"ports": [{"container_port": 0}]}}),
        ("model.container_spec.env", {"spec": {"env": [{"name": "1A", "value": ""}]}}),
        ("model.container_spec.env", {"spec": {"env": [{"name": "AIP_MODE", "value": ""}]}}),
        ("model.container_spec.deployment_timeout", {"spec": {"deployment_timeout": {"seconds": 7201}}}),
        ("model.container_spec.shared_memory_size_mb", {"spec": {"shared_memory_size_mb": -1}}),
        ("model.container_spec.health_probe", {"spec": {"health_probe": {}}}),
        ("model.container_spec.health_probe.exec.command", {"spec": {"health_probe": {"exec_": {}}}}),
        ("model.container_spec.health_probe.http_get.port", {"spec": {"health_probe": {"http_get": {"port": 65536}}}}),
        (
            "model.container_spec.liveness_probe.period_seconds",
            {"spec": {"liveness_probe": {"tcp_socket": {"port": 1}, "period_seconds": -1}}},
        ),
    ],
)
def test_an_upload_that_breaks_a_rule_is_refused_with_its_field(field: str, change: dict[str, Any]) -> None:
    assert f"Field: {field};" in refused(validation.upload_model, upload(**change), "us-central1")


def test_a_model_without_a_container_is_refused() -> None:
    request = upload()
    request.model.ClearField("container_spec")
    assert "Field: model.container_spec;" in refused(validation.upload_model, request, "us-central1")


def test_googles_own_images_may_be_in_a_multi_region() -> None:
    image = {"image_uri": "us-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.2-4:latest"}
    validation.upload_model(upload(spec=image), "us-central1")


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("endpoint_id", endpoint("-digits")),
        ("endpoint_id", endpoint("digits-")),
        ("endpoint_id", endpoint("digits_1")),
        ("endpoint_id", endpoint("0123")),
        ("endpoint_id", endpoint("1234567890")),
        ("endpoint_id", endpoint("x" * 64)),
        ("endpoint.display_name", endpoint(display_name=" ")),
        ("endpoint.labels", endpoint(labels={"a b": "c"})),
        ("endpoint.traffic_split", endpoint(traffic_split={"1": 100})),
        ("endpoint.network", endpoint(network="vpc")),
        ("endpoint.network", endpoint(network=NETWORK, enable_private_service_connect=True)),
        ("endpoint.dedicated_endpoint_enabled", endpoint(network=NETWORK, dedicated_endpoint_enabled=True)),
        ("endpoint.client_connection_config.inference_timeout", endpoint(client_connection_config=TOO_LONG)),
    ],
)
def test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field(field: str, request_: Any) -> None:
    assert f"Field: {field};" in refused(validation.create_endpoint, request_)


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("deployed_model.id", deploy(id="12345678901")),
        ("deployed_model.id", deploy(id="new")),
        ("deployed_model.id", deploy(id="0")),
        ("deployed_model.model", deploy(model="")),
        ("deployed_model.display_name", deploy(display_name="x" * 129)),
        ("deployed_model.service_account", deploy(service_account="me")),
        ("traffic_split", deploy(split={"0": 99})),
        ("traffic_split", deploy(split={"new": 100})),
        (f"{RESOURCES}.min_replica_count", deploy(resources={"min_replica_count": 0})),
        (f"{RESOURCES}.max_replica_count", deploy(resources={"min_replica_count": 3, "max_replica_count": 2})),
        (f"{RESOURCES}.required_replica_count", deploy(resources={"required_replica_count": 2})),
        (f"{RESOURCES}.machine_spec", deploy({"machine_type": "n1-standard-3x"})),
        (f"{RESOURCES}.machine_spec", deploy({"machine_type": "g2-standard-4"})),
        (f"{RESOURCES}.machine_spec", deploy({**N1, "accelerator_count": 1})),
        (f"{RESOURCES}.machine_spec", deploy({**N1, "accelerator_type": "NVIDIA_TESLA_T4"})),
        (f"{RESOURCES}.autoscaling_metric_specs", autoscaled({"metric_name": "cpu"})),
        (f"{RESOURCES}.autoscaling_metric_specs", autoscaled({"metric_name": CPU, "target": 101})),
        (f"{RESOURCES}.autoscaling_metric_specs", autoscaled({"metric_name": CPU}, {"metric_name": CPU})),
        (f"{RESOURCES}.autoscaling_metric_specs", autoscaled({"metric_name": DUTY})),
    ],
)
def test_a_deployment_that_breaks_a_rule_is_refused_with_its_field(field: str, request_: Any) -> None:
    assert f"Field: {field};" in refused(validation.deploy_model, request_)


def test_a_deployment_without_dedicated_resources_is_refused() -> None:
    request = deploy()
    request.deployed_model.automatic_resources.min_replica_count = 1
    assert "Field: deployed_model.dedicated_resources;" in refused(validation.deploy_model, request)


def test_all_problems_of_a_request_are_reported_at_once() -> None:
    text = refused(validation.upload_model, upload(model_id="9", model={"display_name": ""}), "us-central1")
    assert text.startswith("List of found errors:\t1.Field: model_id; Message: ")
    assert "\t2.Field: model.display_name; Message: required\t" in text


@pytest.mark.parametrize(
    ("aliases", "version"), [([], "1"), (["live"], "live"), (["live"], ""), (["-default"], "1"), (["Live"], "1")]
)
def test_aliases_that_break_a_rule_are_refused(aliases: list[str], version: str) -> None:
    refused(validation.merge_version_aliases, aliases, version)


@pytest.mark.parametrize("paths", [[], ["etag"], ["deployed_models"], ["traffic_split.1"]])
def test_a_mask_must_name_fields_that_can_be_updated(paths: list[str]) -> None:
    message = v1.UpdateEndpointRequest(endpoint={"display_name": "x"}, update_mask={"paths": paths})
    refused(validation.update_endpoint, v1.UpdateEndpointRequest.pb(message))
