"""The requests that change endpoints and models, built from the project's settings."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2

from seatrial.errors import UsageError
from seatrial.project.vertex import DEPLOYED, ENDPOINT, fields_of

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint, Upload, Version
    from seatrial.project import Project
    from seatrial.project.vertex import VertexSettings

MARK = "seatrial "  # begins the description of a version that a deploy made; its digest follows
_METRICS = "aiplatform.googleapis.com/prediction/online"  # AutoscalingMetricSpec.metric_name lists what begins so


def alias_of(digest: str) -> str:
    """Return the alias that a version of this digest is found by."""
    return f"b-{digest[:16]}"


def upload_of(upload: Upload, parent: str, parent_model: str) -> v1.UploadModelRequest:
    """Return the request that makes the first version of a model, or with `parent_model` another one.

    The alias `default` is not asked for: it moves when the version has proven itself.
    """
    container = v1.ModelContainerSpec(
        image_uri=upload.image_uri,
        ports=[v1.Port(container_port=upload.port)],
        health_route=upload.health_route,
        predict_route=upload.predict_route,
        **upload.fields.get("container_spec", {}),
    )
    model = v1.Model(
        **{name: value for name, value in upload.fields.items() if name != "container_spec"},
        display_name=upload.display_name,
        version_aliases=[alias_of(upload.digest)],
        version_description=f"{MARK}{upload.digest}",
        container_spec=container,
        artifact_uri=upload.artifact_uri,
        labels=dict(upload.labels),
    )
    if parent_model:
        return v1.UploadModelRequest(parent=parent, parent_model=parent_model, model=model)
    return v1.UploadModelRequest(parent=parent, model_id=upload.model_id, model=model)


def creation_of(
    settings: VertexSettings, parent: str, endpoint_id: str, labels: Mapping[str, str] | None = None
) -> v1.CreateEndpointRequest:
    """Return the request that makes an endpoint with this id."""
    endpoint = v1.Endpoint(
        display_name=endpoint_id,
        labels={**settings.labels, **(labels or {})},
        dedicated_endpoint_enabled=settings.endpoint_type == "dedicated",
        **fields_of(settings, ENDPOINT),
    )
    if settings.endpoint_type == "private":
        endpoint.private_service_connect_config.enable_private_service_connect = True
    return v1.CreateEndpointRequest(parent=parent, endpoint=endpoint, endpoint_id=endpoint_id)


def deployed_id(digest: str, project: Project) -> str:
    """Return the id of a version as deployed on the project's machines: 10 digits, the first no 0.

    It is the same on each of several machine types, so that a second deploy finds what the first one deployed.
    """
    settings = project.vertex
    more = [deployed_of(settings, machine) for machine in settings.machine_type]
    key = json.dumps([digest, *more], sort_keys=True)
    return str(10**9 + int(hashlib.sha256(key.encode()).hexdigest(), 16) % (9 * 10**9))


def deployed_of(settings: VertexSettings, machine: str) -> dict[str, Any]:
    """Return what a deployed model is on one of the machine types, in the fields of `v1.DeployedModel`.

    Raises:
        UsageError: the API has no such accelerator.
    """
    found = fields_of(settings, DEPLOYED)
    own, resources = found.get("dedicated_resources", {}), resources_of(settings, machine)
    spec = {**own.get("machine_spec", {}), **resources["machine_spec"]}
    return {**found, "dedicated_resources": {**own, **resources, "machine_spec": spec}}


def resources_of(settings: VertexSettings, machine_type: str) -> dict[str, Any]:
    """Return machine, replicas and autoscaling, in the fields of `v1.DedicatedResources`.

    Raises:
        UsageError: the API has no such accelerator.
    """
    machine: dict[str, Any] = {"machine_type": machine_type}
    if settings.accelerator_type and settings.accelerator_type not in v1.AcceleratorType.__members__:
        near = difflib.get_close_matches(settings.accelerator_type, v1.AcceleratorType.__members__, n=1)
        fix = f"did you mean {near[0]}?" if near else ""
        raise UsageError(f"vertex.accelerator-type: the API knows no {settings.accelerator_type}", fix=fix)
    if settings.accelerator_type:
        machine |= {"accelerator_type": settings.accelerator_type, "accelerator_count": settings.accelerator_count}
    targets = {"cpu/utilization": settings.cpu_target, "accelerator/duty_cycle": settings.gpu_target}
    return {
        "machine_spec": machine,
        "min_replica_count": settings.min_replicas,
        "max_replica_count": settings.max_replicas,
        "autoscaling_metric_specs": [
            {"metric_name": f"{_METRICS}/{metric}", "target": target} for metric, target in targets.items() if target
        ],
    }


def deployment_of(project: Project, endpoint_name: str, version: Version, machine: str) -> v1.DeployModelRequest:
    """Return the request that deploys a version on one of the project's machine types, without any traffic."""
    model = v1.DeployedModel(
        id=deployed_id(version.digest, project),
        model=version.name,
        display_name=f"{version.model.rpartition('/')[2]}-{version.id}",
        **deployed_of(project.vertex, machine),
    )
    return v1.DeployModelRequest(endpoint=endpoint_name, deployed_model=model)


def update_of(endpoint: v1.Endpoint, edited: Endpoint) -> v1.UpdateEndpointRequest | None:
    """Return the request that changes what was edited, if the endpoint has not changed since; None for nothing."""
    before = {"labels": dict(endpoint.labels), "traffic_split": dict(endpoint.traffic_split)}
    after = {"labels": dict(edited.labels), "traffic_split": dict(edited.traffic_split)}
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return None
    values = {name: after[name] for name in changed}
    update = v1.Endpoint(name=endpoint.name, etag=endpoint.etag, **values)
    return v1.UpdateEndpointRequest(endpoint=update, update_mask=field_mask_pb2.FieldMask(paths=changed))
