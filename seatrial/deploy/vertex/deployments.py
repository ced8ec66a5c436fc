"""Deploys versions to endpoints and undeploys them.

A deployed model's id follows from the version and the machine, so that a second deploy cannot make a twin. How much
traffic it gets is decided elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.backoff import ALREADY_EXISTS
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.diagnosis import is_stockout
from seatrial.deploy.vertex.endpoints import change, last, name_of_endpoint, present, read
from seatrial.deploy.vertex.messages import deployed_id, deployment_of
from seatrial.deploy.vertex.operations import Begin, outlasted, reached, running_of
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import EnvironmentFaultError, SeatrialError
from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint, Version
    from seatrial.project import Project


def find_or_deploy(
    vertex: Vertex, endpoint_name: str, version: Version, project: Project, timeout: float
) -> Stage[str]:
    """Return the id of a version as deployed model of an endpoint; one that this call deploys has no traffic.

    Raises:
        OperationFailedError: deploying it ended with an error; nothing of it is left then.
        StillRunningError: it, or another deployment to the endpoint, had not ended within `timeout` seconds.
        EnvironmentFaultError: the endpoint is not there, or something else has this id.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    key, deadline = deployed_id(version.digest, project), time.monotonic() + timeout
    leaving = running_of(vertex, endpoint_name, v1.UndeployModelOperationMetadata)  # what is there may be going
    yield from poller.outlast(vertex, leaving, what="undeploying, begun before", deadline=deadline)
    *others, last_one = project.vertex.machine_type
    for machine in others:
        try:
            yield from _deploy(vertex, endpoint_name, version, project, machine, deadline)
        except OperationFailedError as error:
            if not is_stockout(error):
                raise
            yield Step(f"no capacity for {machine} now: trying the next machine type", lasting=True)
        else:
            return key
    yield from _deploy(vertex, endpoint_name, version, project, last_one, deadline)
    return key


def _deploy(
    vertex: Vertex, endpoint_name: str, version: Version, project: Project, machine: str, deadline: float
) -> Stage[None]:
    """Deploy a version on a machine type, unless it is deployed or another deployment of it ends well."""
    key = deployed_id(version.digest, project)
    begin = Begin(
        what=f"deploying version {version.id}",
        kind=v1.DeployModelOperationMetadata,
        method=vertex.endpoints.deploy_model,
        request=deployment_of(project, endpoint_name, version, machine),
        done=lambda: _deployed(present(vertex, endpoint_name), key, version) is not None,
    )
    try:
        yield from reached(vertex, endpoint_name, begin, deadline)
    except OperationFailedError as error:
        yield from outlasted(vertex, endpoint_name, begin, deadline)
        endpoint = present(vertex, endpoint_name)
        deployed = _deployed(endpoint, key, version)
        if deployed is None:
            raise
        if error.code == ALREADY_EXISTS or _made_after(vertex, deployed, error.name):
            return  # another deploy of the same version was faster
        if not endpoint.traffic_split.get(key):
            yield from _cleaned(vertex, endpoint_name, key, project.vertex.undeploy_timeout)
        raise


def undeploy(vertex: Vertex, endpoint_name: str, ids: Iterable[str], timeout: float) -> Stage[None]:
    """Undeploy deployed models, one after the other; what does not exist is undeployed.

    If they have all the traffic, the split becomes empty first: then nothing is served.

    Raises:
        OperationFailedError: it ended with an error.
        StillRunningError: it had not ended within `timeout` seconds.
        EnvironmentFaultError: one of them shares the traffic with one that stays.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    wanted, deadline = list(ids), time.monotonic() + timeout
    endpoint = read(vertex, endpoint_name)
    there = set() if endpoint is None else {model.id for model in endpoint.deployed_models}
    wanted = [key for key in wanted if key in there]
    if not wanted:
        return
    yield from change(vertex, endpoint_name, lambda found: _without_traffic(found, wanted))
    for key in wanted:
        begin = Begin(
            what=f"undeploying {key}",
            kind=v1.UndeployModelOperationMetadata,
            method=vertex.endpoints.undeploy_model,
            request=v1.UndeployModelRequest(endpoint=endpoint_name, deployed_model_id=key),
            done=partial(_is_gone, vertex, endpoint_name, key),
        )
        try:
            yield from reached(vertex, endpoint_name, begin, deadline)
        except OperationFailedError:
            if not begin.done():
                raise


def is_undeploying(vertex: Vertex, endpoint_id: str) -> bool:
    """Return whether something is just being undeployed from an endpoint.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    return bool(running_of(vertex, name_of_endpoint(vertex, endpoint_id), v1.UndeployModelOperationMetadata))


def _deployed(endpoint: v1.Endpoint, key: str, version: Version) -> v1.DeployedModel | None:
    """Return the deployed model that has an id, provided it is of this version."""
    found = next((model for model in endpoint.deployed_models if model.id == key), None)
    if found is None:
        return None
    model = last(found.model.partition("@")[0])  # answers name the project by its number
    if (model, found.model_version_id) != (last(version.model), version.id):
        raise EnvironmentFaultError(
            f"deployed model {key} of endpoint {last(endpoint.name)} is version {found.model_version_id} of {model}, "
            f"not version {version.id} of {last(version.model)}",
            fix=f"undeploy {key} from the endpoint first",
        )
    return found


def _made_after(vertex: Vertex, deployed: v1.DeployedModel, operation: str) -> bool:
    """Return whether a deployed model came after an operation had ended: then it is not what that one left."""
    ended = poller.metadata_of(vertex.operation(operation)).generic_metadata.update_time
    return deployed.create_time is not None and ended is not None and deployed.create_time > ended


def _cleaned(vertex: Vertex, endpoint_name: str, key: str, timeout: float) -> Stage[None]:
    """Undeploy what a failed deployment left, and report it if that fails: the deployment's own error counts."""
    try:
        yield from undeploy(vertex, endpoint_name, [key], timeout)
    except (OperationFailedError, exceptions.GoogleAPICallError, SeatrialError) as error:
        yield Step(f"{key} is left deployed: {error}", lasting=True)


def _without_traffic(endpoint: Endpoint, ids: list[str]) -> Endpoint | None:
    """Return the endpoint without any traffic if what is to go has all of it; None if it has none."""
    serving = {key for key, percent in endpoint.traffic_split.items() if percent}
    if not serving & set(ids):
        return None
    if not serving <= set(ids):
        shown = ", ".join(f"{endpoint.traffic_split[key]} % {key}" for key in sorted(serving))
        raise EnvironmentFaultError(
            f"{', '.join(sorted(serving & set(ids)))} cannot be undeployed while it has traffic: {shown}",
            fix="move the traffic first; `seatrial deploy --status` shows it",
        )
    return replace(endpoint, traffic_split={})


def _is_gone(vertex: Vertex, endpoint_name: str, key: str) -> bool:
    endpoint = read(vertex, endpoint_name)
    return endpoint is None or key not in {model.id for model in endpoint.deployed_models}
