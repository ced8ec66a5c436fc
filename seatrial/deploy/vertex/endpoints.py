"""Endpoints and what is deployed to them: found or made, changed by etag, with the record of a running rollout.

A deployed model's id follows from the version and the machine, so that a second deploy cannot make a twin. How much
traffic it gets is decided elsewhere.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2

from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.client import (
    ABORTED,
    ALREADY_EXISTS,
    FAILED_PRECONDITION,
    TRANSIENT,
    Vertex,
    code_of,
    name_of,
    pause_after,
)
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import EnvironmentFaultError, SeatrialError, UsageError
from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from seatrial.deploy.vertex.versions import Version
    from seatrial.project import Project, VertexSettings

_ROLLOUT, _FORMER, _DEFAULT = "seatrial-rollout", "seatrial-former", "seatrial-default"
_BACK = "seatrial-back"
_LABELS = (_ROLLOUT, _FORMER, _DEFAULT, _BACK)
_NONE = "none"
_LONGEST = 63  # characters of a label's value; Endpoint.labels says 64, Google Cloud's labels have 63
_SHARE = re.compile(r"(\d{1,19})-(\d{1,3})")
_CONFLICTS = 10  # how often an endpoint may change between reading and writing it
_METRICS = "aiplatform.googleapis.com/prediction/online"  # AutoscalingMetricSpec.metric_name lists what begins so


class ChangedBackError(EnvironmentFaultError):
    """What an operation had done was undone at once, by somebody else."""


@dataclass(frozen=True, slots=True)
class Record:
    """A rollout that is under way, as the endpoint's labels have it.

    Attributes:
        rollout: the id of the deployed model that is to get the traffic.
        former: the split before it: id of a deployed model → percent; empty where there was none.
        default: the id of the version that was the default before; "" where there was none.
        back: it is itself a rollback, which a further one finishes and does not undo.
    """

    rollout: str
    former: Mapping[str, int]
    default: str = ""
    back: bool = False


def find(vertex: Vertex, endpoint_id: str) -> v1.Endpoint | None:
    """Give an endpoint; None where there is none.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    return _read(vertex, _name(vertex, endpoint_id))


def get(vertex: Vertex, endpoint_id: str) -> v1.Endpoint:
    """Give an endpoint.

    Raises:
        EnvironmentFaultError: it is not there.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    return _present(vertex, _name(vertex, endpoint_id))


def find_or_create(
    vertex: Vertex,
    project: Project,
    endpoint_id: str,
    timeout: float | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> Stage[tuple[v1.Endpoint, bool]]:
    """Give an endpoint, and whether this call made it.

    Args:
        vertex: the API.
        project: its settings say which kind.
        endpoint_id: the last part of its resource name.
        timeout: seconds; default: the project's.
        labels: of one that is made, beside the project's.

    Raises:
        UsageError: it is there and of the other kind.
        OperationFailedError: creating it ended with an error.
        StillRunningError: that had not ended in time.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    deadline = time.monotonic() + (timeout or project.vertex.endpoint_timeout)
    name, made = _name(vertex, endpoint_id), False
    if _read(vertex, name) is None:
        begin = _Begin(
            what=f"creating endpoint {endpoint_id}",
            kind=v1.CreateEndpointOperationMetadata,
            method=vertex.endpoints.create_endpoint,
            request=creation_of(project.vertex, vertex.target.parent, endpoint_id, labels),
            done=lambda: _read(vertex, name) is not None,
        )
        try:
            made = yield from _reached(vertex, name, begin, deadline)
        except OperationFailedError:  # another deploy may have been faster
            if not begin.done():
                raise
    endpoint = _present(vertex, name)
    kind = "dedicated" if endpoint.dedicated_endpoint_enabled else "shared"
    if kind != project.vertex.endpoint_type:
        raise UsageError(
            f"endpoint {endpoint_id} is {kind}, and vertex.endpoint-type is {project.vertex.endpoint_type!r}",
            fix=f'set endpoint-type = "{kind}", or name another endpoint',
        )
    return endpoint, made


def creation_of(
    settings: VertexSettings, parent: str, endpoint_id: str, labels: Mapping[str, str] | None = None
) -> v1.CreateEndpointRequest:
    """Give the request that makes an endpoint with this id."""
    endpoint = v1.Endpoint(
        display_name=endpoint_id,
        labels={**settings.labels, **(labels or {})},
        dedicated_endpoint_enabled=settings.endpoint_type == "dedicated",
    )
    return v1.CreateEndpointRequest(parent=parent, endpoint=endpoint, endpoint_id=endpoint_id)


def delete(vertex: Vertex, endpoint_name: str, timeout: float) -> Stage[None]:
    """Delete an endpoint; one that is not there is done.

    Raises:
        OperationFailedError: deleting it ended with an error.
        StillRunningError: that had not ended within `timeout` seconds.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses, as while models are deployed.
    """
    begin = _Begin(
        what=f"deleting endpoint {_last(endpoint_name)}",
        kind=v1.DeleteOperationMetadata,
        method=vertex.endpoints.delete_endpoint,
        request=v1.DeleteEndpointRequest(name=endpoint_name),
        done=lambda: _read(vertex, endpoint_name) is None,
    )
    try:
        yield from _reached(vertex, endpoint_name, begin, time.monotonic() + timeout)
    except OperationFailedError:
        if not begin.done():
            raise


def settled(vertex: Vertex, endpoint_id: str, timeout: float) -> Stage[v1.Endpoint | None]:
    """Give an endpoint when nothing works on it any more, as an operation may whose deploy was ended; None for none.

    Raises:
        StillRunningError: something still did after `timeout` seconds.
        EnvironmentFaultError: an operation cannot be read any more.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    name = _name(vertex, endpoint_id)
    running = vertex.operations(name)
    what = f"what was begun before on endpoint {endpoint_id}"
    yield from poller.outlast(vertex, running, what=what, deadline=time.monotonic() + timeout)
    return _read(vertex, name)


def undeploys(vertex: Vertex, endpoint_id: str) -> bool:
    """Tell whether something is just being undeployed from an endpoint.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    return bool(_running(vertex, _name(vertex, endpoint_id), v1.UndeployModelOperationMetadata))


def deployed_id(digest: str, project: Project) -> str:
    """Give the id of a version as deployed on the project's machine: 10 digits, the first no 0."""
    key = json.dumps([digest, resources_of(project.vertex), project.vertex.service_account], sort_keys=True)
    return str(10**9 + int(hashlib.sha256(key.encode()).hexdigest(), 16) % (9 * 10**9))


def resources_of(settings: VertexSettings) -> dict[str, Any]:
    """Give what a deployed model runs on, in the fields of `v1.DedicatedResources`.

    Raises:
        UsageError: the API has no such accelerator.
    """
    machine: dict[str, Any] = {"machine_type": settings.machine_type}
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


def deployment_of(project: Project, endpoint_name: str, version: Version) -> v1.DeployModelRequest:
    """Give the request that deploys a version, without any traffic."""
    model = v1.DeployedModel(
        id=deployed_id(version.digest, project),
        model=version.name,
        display_name=f"{_last(version.model)}-{version.id}",
        dedicated_resources=v1.DedicatedResources(resources_of(project.vertex)),
        service_account=project.vertex.service_account,
        disable_container_logging=False,
    )
    return v1.DeployModelRequest(endpoint=endpoint_name, deployed_model=model)


def find_or_deploy(
    vertex: Vertex, endpoint_name: str, version: Version, project: Project, timeout: float
) -> Stage[str]:
    """Give the id of a version as deployed model of an endpoint; one that this call deploys has no traffic.

    Raises:
        OperationFailedError: deploying it ended with an error; nothing of it is left then.
        StillRunningError: it, or another deployment to the endpoint, had not ended within `timeout` seconds.
        EnvironmentFaultError: the endpoint is not there, or something else has this id.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    key, deadline = deployed_id(version.digest, project), time.monotonic() + timeout
    begin = _Begin(
        what=f"deploying version {version.id}",
        kind=v1.DeployModelOperationMetadata,
        method=vertex.endpoints.deploy_model,
        request=deployment_of(project, endpoint_name, version),
        done=lambda: _deployed(_present(vertex, endpoint_name), key, version) is not None,
    )
    leaving = _running(vertex, endpoint_name, v1.UndeployModelOperationMetadata)  # what is there may be going
    yield from poller.outlast(vertex, leaving, what="undeploying, begun before", deadline=deadline)
    try:
        yield from _reached(vertex, endpoint_name, begin, deadline)
    except OperationFailedError as error:
        yield from _outlast(vertex, endpoint_name, begin, deadline)
        endpoint = _present(vertex, endpoint_name)
        deployed = _deployed(endpoint, key, version)
        if deployed is None:
            raise
        if error.code == ALREADY_EXISTS or _made_after(vertex, deployed, error.name):
            return key  # another deploy of the same version was faster
        if not endpoint.traffic_split.get(key):
            yield from _cleaned(vertex, endpoint_name, key, project.vertex.undeploy_timeout)
        raise
    return key


def undeploy(vertex: Vertex, endpoint_name: str, ids: Iterable[str], timeout: float) -> Stage[None]:
    """Undeploy deployed models, one after the other; what is not there is done.

    Where all traffic goes to them, the split becomes empty first: nothing is then served.

    Raises:
        OperationFailedError: it ended with an error.
        StillRunningError: it had not ended within `timeout` seconds.
        EnvironmentFaultError: one of them shares the traffic with one that stays.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    wanted, deadline = list(ids), time.monotonic() + timeout
    endpoint = _read(vertex, endpoint_name)
    there = set() if endpoint is None else {model.id for model in endpoint.deployed_models}
    wanted = [key for key in wanted if key in there]
    if not wanted:
        return
    yield from change(vertex, endpoint_name, lambda found: _without_traffic(found, wanted))
    for key in wanted:
        begin = _Begin(
            what=f"undeploying {key}",
            kind=v1.UndeployModelOperationMetadata,
            method=vertex.endpoints.undeploy_model,
            request=v1.UndeployModelRequest(endpoint=endpoint_name, deployed_model_id=key),
            done=partial(_is_gone, vertex, endpoint_name, key),
        )
        try:
            yield from _reached(vertex, endpoint_name, begin, deadline)
        except OperationFailedError:
            if not begin.done():
                raise


def change(vertex: Vertex, endpoint_name: str, edit: Callable[[v1.Endpoint], v1.Endpoint | None]) -> Stage[v1.Endpoint]:
    """Read an endpoint, edit it and write it, again where it was changed meanwhile; give it as it is then.

    Args:
        vertex: the API.
        endpoint_name: its resource name.
        edit: gets the endpoint as it is now and gives it as it should be; None where nothing is to do. It is asked
            again after a conflict or a lost answer, with what is there by then. It may change traffic_split, labels,
            display_name and description; whatever it raises ends the change.

    Raises:
        EnvironmentFaultError: the endpoint is not there, or changes too often.
        google.api_core.exceptions.GoogleAPICallError: the API does not answer or refuses.
    """
    lost = conflicts = 0
    while True:
        endpoint = _present(vertex, endpoint_name)
        edited = edit(v1.Endpoint(endpoint))
        request = None if edited is None else update_of(endpoint, edited)
        if request is None:
            return endpoint
        try:
            return vertex.write(vertex.endpoints.update_endpoint, request)
        except exceptions.GoogleAPICallError as error:
            code = code_of(error)
            if _is_conflict(error):
                conflicts += 1
                if conflicts >= _CONFLICTS:
                    raise EnvironmentFaultError(
                        f"endpoint {_last(endpoint_name)} was changed {conflicts} times while it was to be changed: "
                        f"{error.message}",
                        fix="another deploy changes it: run `seatrial deploy` again when that one has ended",
                    ) from None
            else:
                lost += 1
                if code not in TRANSIENT or lost >= vertex.limits.attempts:
                    raise
            yield Step(f"changing endpoint {_last(endpoint_name)}: {name_of(code)}; reading it again")
            time.sleep(pause_after(vertex.limits, conflicts + lost))


def update_of(endpoint: v1.Endpoint, edited: v1.Endpoint) -> v1.UpdateEndpointRequest | None:
    """Give the request that changes what was edited, provided nobody changed the endpoint since; None for nothing."""
    before, after = _changeable(endpoint), _changeable(edited)
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return None
    values = {name: after[name] for name in changed}
    update = v1.Endpoint(name=endpoint.name, etag=endpoint.etag, **values)
    return v1.UpdateEndpointRequest(endpoint=update, update_mask=field_mask_pb2.FieldMask(paths=changed))


def record_of(endpoint: v1.Endpoint) -> Record | None:
    """Give the record of the rollout that is under way; None where there is none.

    Raises:
        EnvironmentFaultError: the labels are no such record.
    """
    labels = dict(endpoint.labels)
    if _ROLLOUT not in labels:
        return None
    former = labels.get(_FORMER, "")
    shares = [] if former == _NONE else [_SHARE.fullmatch(part) for part in former.split("_")]
    default = labels.get(_DEFAULT, _NONE)
    if not all(shares):
        raise EnvironmentFaultError(
            f"label {_FORMER} of endpoint {_last(endpoint.name)} is {former!r}, which is no split",
            fix=f"remove the labels {', '.join(_LABELS)} from the endpoint",
        )
    split = {share[1]: int(share[2]) for share in shares if share}
    return Record(labels[_ROLLOUT], split, "" if default == _NONE else default, _BACK in labels)


def with_record(endpoint: v1.Endpoint, record: Record) -> v1.Endpoint:
    """Give a copy of an endpoint that has a record; the split is not touched.

    Raises:
        EnvironmentFaultError: the former split is too long for a label.
    """
    shares = [f"{key}-{percent}" for key, percent in sorted(record.former.items()) if percent]
    former = "_".join(shares) or _NONE
    if len(former) > _LONGEST:
        raise EnvironmentFaultError(
            f"the traffic of endpoint {_last(endpoint.name)} is split among {len(shares)} deployed models, too many "
            f"to be kept in a label of {_LONGEST} characters: {former}",
            fix="give the traffic to fewer deployed models first",
        )
    changed = without_record(endpoint)
    changed.labels = {
        **changed.labels,
        _ROLLOUT: record.rollout,
        _FORMER: former,
        _DEFAULT: record.default or _NONE,
        **({_BACK: "true"} if record.back else {}),
    }
    return changed


def without_record(endpoint: v1.Endpoint) -> v1.Endpoint:
    """Give a copy of an endpoint that has no record."""
    changed = v1.Endpoint(endpoint)
    changed.labels = {key: value for key, value in endpoint.labels.items() if key not in _LABELS}
    return changed


@dataclass(frozen=True, slots=True)
class _Begin:
    """An operation on an endpoint, and how to tell that what it is for has been reached."""

    what: str
    kind: Any  # the type of its metadata
    method: Callable[..., Any]
    request: Any
    done: Callable[[], bool]


def _reached(vertex: Vertex, resource: str, begin: _Begin, deadline: float) -> Stage[bool]:
    """Wait for operations of the kind that run, then begin our own unless they did it; tell whether ours did it."""

    def write() -> str:
        return str(vertex.write(begin.method, begin.request).operation.name)

    def look() -> str | None:
        running = _running(vertex, resource, begin.kind)  # asked first: what ends after it was asked is seen as done
        return "" if running or begin.done() else None

    while not begin.done():
        if (yield from _outlast(vertex, resource, begin, deadline)) and begin.done():
            return False
        name = yield from vertex.settle(begin.what, write, look)
        if name:
            yield from poller.wait(vertex, name, what=begin.what, timeout=max(0.0, deadline - time.monotonic()))
            if not begin.done():
                raise ChangedBackError(
                    f"{begin.what}: {name} ended well, and {_last(resource)} is as before",
                    fix="another deploy changes it: run `seatrial deploy` again when that one has ended",
                )
            return True
    return False


def _outlast(vertex: Vertex, resource: str, begin: _Begin, deadline: float) -> Stage[bool]:
    running = _running(vertex, resource, begin.kind)
    yield from poller.outlast(vertex, running, what=f"{begin.what}, begun before", deadline=deadline)
    return bool(running)


def _running(vertex: Vertex, resource: str, kind: Any) -> list[Any]:
    return [operation for operation in vertex.operations(resource) if poller.is_a(operation, kind)]


def _deployed(endpoint: v1.Endpoint, key: str, version: Version) -> v1.DeployedModel | None:
    """Give the deployed model that has an id, provided it is of this version."""
    found = next((model for model in endpoint.deployed_models if model.id == key), None)
    if found is None:
        return None
    model = _last(found.model.partition("@")[0])  # answers name the project by its number
    if (model, found.model_version_id) != (_last(version.model), version.id):
        raise EnvironmentFaultError(
            f"deployed model {key} of endpoint {_last(endpoint.name)} is version {found.model_version_id} of {model}, "
            f"not version {version.id} of {_last(version.model)}",
            fix=f"undeploy {key} from the endpoint first",
        )
    return found


def _made_after(vertex: Vertex, deployed: v1.DeployedModel, operation: str) -> bool:
    """Tell whether a deployed model came after an operation had ended: then it is not what that one left."""
    ended = poller.metadata_of(vertex.operation(operation)).generic_metadata.update_time
    return deployed.create_time is not None and ended is not None and deployed.create_time > ended


def _cleaned(vertex: Vertex, endpoint_name: str, key: str, timeout: float) -> Stage[None]:
    """Undeploy what a failed deployment left, and say so where that fails: the deployment's own error counts."""
    try:
        yield from undeploy(vertex, endpoint_name, [key], timeout)
    except (OperationFailedError, exceptions.GoogleAPICallError, SeatrialError) as error:
        yield Step(f"{key} is left deployed: {error}", lasting=True)


def _without_traffic(endpoint: v1.Endpoint, ids: list[str]) -> v1.Endpoint | None:
    """Give the endpoint without any traffic, where what is to go has all of it; None where it has none."""
    serving = {key for key, percent in endpoint.traffic_split.items() if percent}
    if not serving & set(ids):
        return None
    if not serving <= set(ids):
        shown = ", ".join(f"{endpoint.traffic_split[key]} % {key}" for key in sorted(serving))
        raise EnvironmentFaultError(
            f"{', '.join(sorted(serving & set(ids)))} cannot be undeployed while it has traffic: {shown}",
            fix="move the traffic first; `seatrial deploy --status` shows it",
        )
    changed = v1.Endpoint(endpoint)
    changed.traffic_split = {}
    return changed


def _changeable(endpoint: v1.Endpoint) -> dict[str, Any]:
    return {
        "display_name": endpoint.display_name,
        "description": endpoint.description,
        "labels": dict(endpoint.labels),
        "traffic_split": dict(endpoint.traffic_split),
    }


def _is_conflict(error: exceptions.GoogleAPICallError) -> bool:
    code = code_of(error)
    return code == ABORTED or (code == FAILED_PRECONDITION and "etag" in error.message.lower())


def _is_gone(vertex: Vertex, endpoint_name: str, key: str) -> bool:
    endpoint = _read(vertex, endpoint_name)
    return endpoint is None or key not in {model.id for model in endpoint.deployed_models}


def _read(vertex: Vertex, name: str) -> v1.Endpoint | None:
    return vertex.read(vertex.endpoints.get_endpoint, v1.GetEndpointRequest(name=name))


def _present(vertex: Vertex, name: str) -> v1.Endpoint:
    endpoint = _read(vertex, name)
    if endpoint is None:
        raise EnvironmentFaultError(f"endpoint {_last(name)} is not there", fix="run `seatrial deploy` again")
    return endpoint


def _name(vertex: Vertex, endpoint_id: str) -> str:
    return f"{vertex.target.parent}/endpoints/{endpoint_id}"


def _last(name: str) -> str:
    return name.rpartition("/")[2]
