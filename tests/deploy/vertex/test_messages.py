"""Every field that a deployer fills in is one whose documented form the emulator's validation knows.

So a request that the emulator takes is one that Vertex does not refuse for its form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import Version
from seatrial.deploy.record import Record, with_record
from seatrial.deploy.vertex.endpoints import endpoint_of
from seatrial.deploy.vertex.messages import creation_of, deployed_id, deployment_of, resources_of, update_of
from seatrial.deploy.vertex.target import TARGETS
from seatrial.emulator.api.control_plane import Caller
from seatrial.emulator.api.refusals import ABORTED, INVALID_ARGUMENT, RefusedError
from seatrial.emulator.api.state import Message
from seatrial.errors import UsageError
from seatrial.project import Project, load
from tests.deploy.golden_project import golden_project
from tests.deploy.in_process import NAME, World, world
from tests.deploy.vertex.resources import project

Deployed = tuple[World, list[tuple[str, Message]]]
# Method and field → a value that the field's documentation rules out, and the code that refuses it.
_NAME = ("not-a-resource-name", INVALID_ARGUMENT)
_LOGGING, _PRIVATE = "predict_request_response_logging_config", "private_service_connect_config"
_RESERVATION = "deployed_model.dedicated_resources.machine_spec.reservation_affinity"
WRONG: dict[str, tuple[Any, int]] = {
    "UploadModel parent": _NAME,
    "UploadModel parent_model": _NAME,
    "UploadModel model_id": ("Has Capitals", INVALID_ARGUMENT),
    "UploadModel model.display_name": ("n" * 129, INVALID_ARGUMENT),
    "UploadModel model.version_aliases": (["1 with blanks"], INVALID_ARGUMENT),
    "UploadModel model.labels": ({"Capital": "x"}, INVALID_ARGUMENT),
    "UploadModel model.artifact_uri": ("https://example.com/x", INVALID_ARGUMENT),
    "UploadModel model.container_spec.image_uri": ("no image at all", INVALID_ARGUMENT),
    "UploadModel model.container_spec.ports.container_port": (70_000, INVALID_ARGUMENT),
    "UploadModel model.container_spec.predict_route": ("predict", INVALID_ARGUMENT),
    "UploadModel model.container_spec.health_route": ("health", INVALID_ARGUMENT),
    "UploadModel model.container_spec.env.name": ("AIP_HTTP_PORT", INVALID_ARGUMENT),
    "UploadModel model.container_spec.shared_memory_size_mb": (-1, INVALID_ARGUMENT),
    "UploadModel model.container_spec.deployment_timeout.seconds": (7201, INVALID_ARGUMENT),
    **{
        f"UploadModel model.container_spec.{probe}.{name}": (-1, INVALID_ARGUMENT)
        for probe in ("startup_probe", "health_probe", "liveness_probe")
        for name in ("period_seconds", "timeout_seconds", "failure_threshold")
    },
    "UploadModel model.container_spec.startup_probe.success_threshold": (-1, INVALID_ARGUMENT),
    "UploadModel model.container_spec.startup_probe.initial_delay_seconds": (-1, INVALID_ARGUMENT),
    "UploadModel model.container_spec.startup_probe.exec_.command": ([], INVALID_ARGUMENT),
    "UploadModel model.container_spec.health_probe.http_get.port": (70_000, INVALID_ARGUMENT),
    "UploadModel model.container_spec.liveness_probe.tcp_socket.port": (70_000, INVALID_ARGUMENT),
    "UploadModel model.encryption_spec.kms_key_name": ("key", INVALID_ARGUMENT),
    "CreateEndpoint parent": _NAME,
    "CreateEndpoint endpoint_id": ("Capital", INVALID_ARGUMENT),
    "CreateEndpoint endpoint.display_name": ("n" * 129, INVALID_ARGUMENT),
    "CreateEndpoint endpoint.labels": ({"x": "Capital"}, INVALID_ARGUMENT),
    "CreateEndpoint endpoint.encryption_spec.kms_key_name": ("key", INVALID_ARGUMENT),
    "CreateEndpoint endpoint.client_connection_config.inference_timeout.seconds": (3601, INVALID_ARGUMENT),
    f"CreateEndpoint endpoint.{_LOGGING}.sampling_rate": (1.5, INVALID_ARGUMENT),
    f"CreateEndpoint endpoint.{_LOGGING}.bigquery_destination.output_uri": ("demo.logs", INVALID_ARGUMENT),
    f"CreateEndpoint endpoint.{_PRIVATE}.enable_private_service_connect": (False, INVALID_ARGUMENT),
    f"CreateEndpoint endpoint.{_PRIVATE}.project_allowlist": ([], INVALID_ARGUMENT),
    f"CreateEndpoint endpoint.{_PRIVATE}.psc_automation_configs.project_id": ("other", INVALID_ARGUMENT),
    f"CreateEndpoint endpoint.{_PRIVATE}.psc_automation_configs.network": ("default", INVALID_ARGUMENT),
    "DeployModel endpoint": _NAME,
    "DeployModel deployed_model.model": _NAME,
    "DeployModel deployed_model.id": ("eleven digits and more", INVALID_ARGUMENT),
    "DeployModel deployed_model.display_name": ("n" * 129, INVALID_ARGUMENT),
    "DeployModel deployed_model.service_account": ("nobody", INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.machine_spec.machine_type": ("a2-highgpu-1g", INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.machine_spec.accelerator_type": (8, INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.machine_spec.accelerator_count": (3, INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.min_replica_count": (-1, INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.max_replica_count": (1, INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.autoscaling_metric_specs.metric_name": ("x", INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.autoscaling_metric_specs.target": (101, INVALID_ARGUMENT),
    "DeployModel deployed_model.dedicated_resources.required_replica_count": (4, INVALID_ARGUMENT),
    f"DeployModel {_RESERVATION}.reservation_affinity_type": (0, INVALID_ARGUMENT),
    f"DeployModel {_RESERVATION}.key": ("name", INVALID_ARGUMENT),
    f"DeployModel {_RESERVATION}.values": (["a-reservation"], INVALID_ARGUMENT),
    "UpdateEndpointLongRunning endpoint.name": _NAME,
    "UpdateEndpointLongRunning endpoint.client_connection_config.inference_timeout.seconds": (3601, INVALID_ARGUMENT),
    f"UpdateEndpoint endpoint.{_LOGGING}.sampling_rate": (1.5, INVALID_ARGUMENT),
    f"UpdateEndpoint endpoint.{_LOGGING}.bigquery_destination.output_uri": ("demo.logs", INVALID_ARGUMENT),
    "UpdateEndpoint endpoint.name": _NAME,
    "UpdateEndpoint endpoint.etag": ("stale", ABORTED),
    "UpdateEndpoint endpoint.traffic_split": ({"1": 99}, INVALID_ARGUMENT),
    "UpdateEndpoint endpoint.labels": ({"Capital": "x"}, INVALID_ARGUMENT),
    "UpdateEndpoint update_mask.paths": (["deployed_models"], INVALID_ARGUMENT),
    "MergeVersionAliases name": _NAME,
    "MergeVersionAliases version_aliases": (["Has Blanks"], INVALID_ARGUMENT),
    "UndeployModel endpoint": _NAME,
    "UndeployModel deployed_model_id": ("", INVALID_ARGUMENT),
    "DeleteEndpoint name": _NAME,
    "GetModel name": _NAME,
    "GetEndpoint name": _NAME,
    "ListModelVersions name": _NAME,
    "ListModelVersions page_size": (-1, INVALID_ARGUMENT),
    "ListOperations name": _NAME,
    "GetOperation name": ("nothing", INVALID_ARGUMENT),
    "Predict endpoint": _NAME,
    "Predict instances": ([], INVALID_ARGUMENT),
}
# Of these any value is allowed by the protos: text without a form, and booleans.
FREE = {
    "UploadModel model.version_description",
    "UploadModel model.container_spec.env.value",
    "UploadModel model.container_spec.health_probe.http_get.path",
    "CreateEndpoint endpoint.dedicated_endpoint_enabled",
    f"CreateEndpoint endpoint.{_LOGGING}.enabled",
    f"UpdateEndpoint endpoint.{_LOGGING}.enabled",
    "DeployModel deployed_model.dedicated_resources.spot",
    "DeployModel deployed_model.disable_container_logging",
    "DeployModel deployed_model.enable_access_logging",
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy two versions with all that can be set; return the server and every request that it got."""
    folder = tmp_path_factory.mktemp("requests")
    golden_project(folder / "project", 2)
    with world(folder / "world") as begun:
        for number, sampling, more in ((1, 0.5, {}), (2, 1.0, CHANGED)):
            ended = begun.deploy(_project(folder / "project", sampling, more), number, TARGETS["local"].limits)
            assert ended.code == 0, str(ended)
        yield begun, list(begun.plane.asked)


# What can be changed of an endpoint that exists, and what excludes a setting of the first deploy.
CHANGED = {"inference-timeout": "1800", "spot": "true", "reservation-affinity": "none"}
PROBE = "period-seconds = 5, timeout-seconds = 5, failure-threshold = 9"
KEY = "projects/demo/locations/us-central1/keyRings/r/cryptoKeys/k"


def _project(root: Path, sampling: float, more: dict[str, str]) -> Project:
    settings = {
        "model": NAME, "endpoint": NAME, "machine-type": "n1-standard-4", "accelerator-type": "NVIDIA_TESLA_T4",
        "accelerator-count": "1", "min-replicas": "2", "max-replicas": "3", "cpu-target": "60", "gpu-target": "70",
        "service-account": "server@demo.iam.gserviceaccount.com", "labels": "{team = 'vision'}",
        "rollout.staging": "true", "rollout.steps": "[50,100]", "endpoint-type": "private",
        "private-projects": "['demo-net']", "private-network": "projects/demo-net/global/networks/default",
        "inference-timeout": "1200", "required-replicas": "1", "access-logging": "true", "container-logging": "false",
        "reservation-affinity": "projects/demo/zones/us-central1-a/reservations/r", "kms-key": KEY,
        "request-logging": f"{{bigquery = 'bq://demo.logs.digits', sampling = {sampling}}}",
        "env": "{LANGUAGE = 'de'}", "shared-memory-mb": "512", "deployment-timeout": "3600",
        "startup-probe": f"{{exec = ['true'], success-threshold = 1, initial-delay-seconds = 5, {PROBE}}}",
        "health-probe": f"{{http-get = '/health', {PROBE}}}", "liveness-probe": f"{{tcp-socket = true, {PROBE}}}",
    }  # fmt: skip
    return load(root, settings | more)


def test_every_field_that_a_deploy_fills_in_is_checked(deployed: Deployed) -> None:
    _, asked = deployed
    filled = {f"{method} {path}" for method, request in asked for path in _fields(request)}
    assert filled - FREE == set(WRONG)


@pytest.mark.parametrize("field", WRONG)
def test_a_value_that_the_documentation_rules_out_is_refused(deployed: Deployed, field: str) -> None:
    begun, asked = deployed
    method, path = field.split()
    wrong, code = WRONG[field]
    of_it = [request for each, request in asked if each == method and path in set(_fields(request))]
    request = type(of_it[-1])()
    request.CopyFrom(of_it[-1])
    _set(request, path, wrong)
    with pytest.raises(RefusedError) as refused:
        begun.plane.call(method, request, Caller())
    assert refused.value.code == code, refused.value.message


def test_a_request_without_a_field_that_the_documentation_requires_is_refused(deployed: Deployed) -> None:
    begun, asked = deployed
    taken, tried = [], set[str]()
    for method, request in {f"{each}{sorted(_fields(request))}": (each, request) for each, request in asked}.values():
        for path in _required(request):
            without = type(request)()
            without.CopyFrom(request)
            *parents, last = path.split(".")
            place = without
            for name in parents:
                place = getattr(place, name)
            place.ClearField(last)
            tried.add(f"{method} {path}")
            code = _code(begun, method, without)
            if code != INVALID_ARGUMENT:
                taken.append(f"{method} {path}: {code}")
    assert {"UploadModel model.display_name", "UpdateEndpoint update_mask", "DeployModel deployed_model"} <= tried
    assert taken == []


def _code(begun: World, method: str, request: Message) -> int:
    """Return the code of the emulator's refusal of a request, or 0 if it takes it."""
    try:
        begun.plane.call(method, request, Caller())
    except RefusedError as refused:
        return refused.code
    return 0


def _required(message: Message, prefix: str = "") -> Iterator[str]:
    """Return the paths of the filled-in fields that the client's own documentation calls required."""
    text = getattr(getattr(v1, message.DESCRIPTOR.name, None), "__doc__", None) or ""
    for field, value in message.ListFields():
        if re.search(rf"^ +{field.name} \([^\n]*\):\n +(?:Output only\. )?Required\.", text, re.MULTILINE):
            yield f"{prefix}{field.name}"
        if field.message_type is not None and not hasattr(value, "add") and hasattr(value, "ListFields"):
            yield from _required(value, f"{prefix}{field.name}.")


def _fields(message: Message, prefix: str = "") -> Iterator[str]:
    """Return the paths of what is filled in; of repeated messages the fields of each, of maps the map."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if field.message_type is None or is_map or field.message_type.full_name.startswith("google.protobuf.Value"):
            yield path
        else:
            for each in value if hasattr(value, "add") else [value]:
                yield from _fields(each, f"{path}.")


def _set(message: Message, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        message = getattr(message, name)
        message = message[0] if hasattr(message, "add") else message
    if isinstance(value, dict):
        getattr(message, last).clear()
        getattr(message, last).update(value)
    elif isinstance(value, list):
        del getattr(message, last)[:]
        getattr(message, last).extend(value)
    else:
        setattr(message, last, value)


def test_the_id_of_a_deployed_model_follows_from_version_and_machine() -> None:
    digest = "a" * 64
    ids = {
        deployed_id(digest, project()),
        deployed_id("b" * 64, project()),
        deployed_id(digest, project(machine_type="n1-standard-8")),
        deployed_id(digest, project(max_replicas=2)),
        deployed_id(digest, project(service_account="a@demo.iam.gserviceaccount.com")),
    }
    assert len(ids) == 5
    assert all(re.fullmatch("[1-9][0-9]{9}", key) for key in ids)
    assert deployed_id(digest, project()) == deployed_id(digest, project(upload_timeout=1.0, labels={"a": "b"}))


def test_a_change_names_what_it_changes_and_the_state_that_it_was_made_from() -> None:
    endpoint = v1.Endpoint(name="n", etag="e", display_name="d", labels={"a": "b"}, traffic_split={"1": 100})
    edited = replace(with_record(endpoint_of(endpoint), Record("22", {"1": 100})), traffic_split={"1": 90, "22": 10})
    request = update_of(endpoint, edited)
    assert request is not None
    assert (request.endpoint.name, request.endpoint.etag) == ("n", "e")
    assert sorted(request.update_mask.paths) == ["labels", "traffic_split"]
    assert dict(request.endpoint.traffic_split) == {"1": 90, "22": 10}
    assert request.endpoint.display_name == ""
    assert dict(endpoint.traffic_split) == {"1": 100}


def test_the_requests_say_what_the_api_requires() -> None:
    """The rules are those of the comments in endpoint_service.proto, endpoint.proto and machine_resources.proto."""
    settings = project(
        machine_type="g2-standard-8",
        accelerator_type="NVIDIA_L4",
        accelerator_count=2,
        min_replicas=2,
        max_replicas=5,
        cpu_target=70,
        gpu_target=80,
        service_account="serving@demo.iam.gserviceaccount.com",
    )
    parent = "projects/demo/locations/us-central1"
    creation = creation_of(settings.vertex, parent, "digits")
    assert (creation.parent, creation.endpoint_id) == (parent, "digits")
    assert 0 < len(creation.endpoint.display_name) <= 128
    assert not creation.endpoint.traffic_split
    one = Version(f"{parent}/models/digits", "7", "c" * 64)
    request = deployment_of(settings, f"{parent}/endpoints/digits", one, "g2-standard-8")
    assert request.endpoint == f"{parent}/endpoints/digits"
    assert not request.traffic_split
    model = request.deployed_model
    assert re.fullmatch("[0-9]{1,10}", model.id)
    assert model.id != "0"
    assert model.model == f"{parent}/models/digits@7"
    assert model.service_account == "serving@demo.iam.gserviceaccount.com"
    assert not model.disable_container_logging
    assert not model.enable_access_logging
    resources = model.dedicated_resources
    assert resources.machine_spec.machine_type == "g2-standard-8"
    assert resources.machine_spec.accelerator_type == v1.AcceleratorType.NVIDIA_L4
    assert resources.machine_spec.accelerator_count == 2
    assert (resources.min_replica_count, resources.max_replica_count) == (2, 5)
    assert {spec.metric_name: spec.target for spec in resources.autoscaling_metric_specs} == {
        "aiplatform.googleapis.com/prediction/online/cpu/utilization": 70,
        "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle": 80,
    }
    plain = deployment_of(
        project(), f"{parent}/endpoints/digits", one, "n1-standard-4"
    ).deployed_model.dedicated_resources
    assert plain.machine_spec.accelerator_type == v1.AcceleratorType.ACCELERATOR_TYPE_UNSPECIFIED
    assert plain.machine_spec.accelerator_count == 0
    assert not plain.autoscaling_metric_specs


def test_a_resource_that_the_machine_has_no_name_for_is_refused_before_it_is_sent() -> None:
    settings = project(accelerator_type="NVIDIA_NEVER_MADE")
    with pytest.raises(UsageError, match="NVIDIA_NEVER_MADE"):
        resources_of(settings.vertex, "n1-standard-4")
