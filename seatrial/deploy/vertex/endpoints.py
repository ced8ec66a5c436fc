"""Endpoints: found or made, changed by etag, deleted. What is deployed to them is in `deployments`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import DeployedModel, Endpoint
from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.backoff import ABORTED, FAILED_PRECONDITION, TRANSIENT, code_of, name_of, pause_after
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.messages import creation_of, update_of
from seatrial.deploy.vertex.operations import Begin, reached
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from seatrial.project import Project

# The name that the certificate of a private endpoint is for: "Use dedicated private endpoints based on Private Service
# Connect", docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/private-service-connect
_PRIVATE_HOST = "{endpoint}-{region}-{number}.prediction.p.vertexai.goog"
_CONFLICTS = 10  # how often an endpoint may change between reading and writing it


def find(vertex: Vertex, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint; None if there is none.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    found = read(vertex, name_of_endpoint(vertex, endpoint_id))
    return None if found is None else endpoint_of(found)


def get(vertex: Vertex, endpoint_id: str) -> Endpoint:
    """Return an endpoint.

    Raises:
        EnvironmentFaultError: it does not exist.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    return endpoint_of(present(vertex, name_of_endpoint(vertex, endpoint_id)))


def find_or_create(
    vertex: Vertex,
    project: Project,
    endpoint_id: str,
    timeout: float | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> Stage[tuple[Endpoint, bool]]:
    """Return an endpoint, and whether this call made it.

    Args:
        vertex: the API.
        project: its settings say which kind.
        endpoint_id: the last part of its resource name.
        timeout: seconds; default: the project's.
        labels: of one that is made, beside the project's.

    Raises:
        UsageError: it exists and is of the other kind.
        OperationFailedError: creating it ended with an error.
        StillRunningError: that had not ended in time.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    deadline = time.monotonic() + (timeout or project.vertex.endpoint_timeout)
    name, made = name_of_endpoint(vertex, endpoint_id), False
    if read(vertex, name) is None:
        begin = Begin(
            what=f"creating endpoint {endpoint_id}",
            kind=v1.CreateEndpointOperationMetadata,
            method=vertex.endpoints.create_endpoint,
            request=creation_of(project.vertex, vertex.target.parent, endpoint_id, labels),
            done=lambda: read(vertex, name) is not None,
        )
        try:
            made = yield from reached(vertex, name, begin, deadline)
        except OperationFailedError:  # another deploy may have been faster
            if not begin.done():
                raise
    endpoint = present(vertex, name)
    kind = kind_of(endpoint)
    if kind != project.vertex.endpoint_type:
        raise UsageError(
            f"endpoint {endpoint_id} is {kind}, and vertex.endpoint-type is {project.vertex.endpoint_type!r}",
            fix=f'set endpoint-type = "{kind}", or name another endpoint',
        )
    return endpoint_of(endpoint), made


def delete(vertex: Vertex, endpoint_name: str, timeout: float) -> Stage[None]:
    """Delete an endpoint; one that does not exist is deleted.

    Raises:
        OperationFailedError: deleting it ended with an error.
        StillRunningError: that had not ended within `timeout` seconds.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer, as while models are deployed.
    """
    begin = Begin(
        what=f"deleting endpoint {last(endpoint_name)}",
        kind=v1.DeleteOperationMetadata,
        method=vertex.endpoints.delete_endpoint,
        request=v1.DeleteEndpointRequest(name=endpoint_name),
        done=lambda: read(vertex, endpoint_name) is None,
    )
    try:
        yield from reached(vertex, endpoint_name, begin, time.monotonic() + timeout)
    except OperationFailedError:
        if not begin.done():
            raise


def settled(vertex: Vertex, endpoint_id: str, timeout: float) -> Stage[Endpoint | None]:
    """Return an endpoint once no operation works on it, not even of a deploy that was killed; None if there is none.

    Raises:
        StillRunningError: something still did after `timeout` seconds.
        EnvironmentFaultError: an operation cannot be read any more.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    name = name_of_endpoint(vertex, endpoint_id)
    running = vertex.operations(name)
    what = f"what was begun before on endpoint {endpoint_id}"
    yield from poller.outlast(vertex, running, what=what, deadline=time.monotonic() + timeout)
    found = read(vertex, name)
    return None if found is None else endpoint_of(found)


def change(vertex: Vertex, endpoint_name: str, edit: Callable[[Endpoint], Endpoint | None]) -> Stage[Endpoint]:
    """Read an endpoint, edit and write it, again if it was changed meanwhile; return it as it is then.

    Args:
        vertex: the API.
        endpoint_name: its resource name.
        edit: gets the endpoint as it is and returns it as it should be, or None if there is nothing to do. It is
            called again after a conflict or a lost answer, with what is there by then. It may change `traffic_split`
            and `labels`; an exception of it ends the change.

    Raises:
        EnvironmentFaultError: the endpoint is not there, or changes too often.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    lost = conflicts = 0
    while True:
        endpoint = present(vertex, endpoint_name)
        edited = edit(endpoint_of(endpoint))
        request = None if edited is None else update_of(endpoint, edited)
        if request is None:
            return endpoint_of(endpoint)
        try:
            return endpoint_of(vertex.write(vertex.endpoints.update_endpoint, request))
        except exceptions.GoogleAPICallError as error:
            code = code_of(error)
            if _is_conflict(error):
                conflicts += 1
                if conflicts >= _CONFLICTS:
                    raise EnvironmentFaultError(
                        f"endpoint {last(endpoint_name)} was changed {conflicts} times while it was to be changed: "
                        f"{error.message}",
                        fix="another deploy changes it: run `seatrial deploy` again when that one has ended",
                    ) from None
            else:
                lost += 1
                if code not in TRANSIENT or lost >= vertex.limits.attempts:
                    raise
            yield Step(f"changing endpoint {last(endpoint_name)}: {name_of(code)}; reading it again")
            time.sleep(pause_after(vertex.limits, conflicts + lost))


def _is_conflict(error: exceptions.GoogleAPICallError) -> bool:
    code = code_of(error)
    return code == ABORTED or (code == FAILED_PRECONDITION and "etag" in error.message.lower())


def endpoint_of(message: v1.Endpoint) -> Endpoint:
    """Return what a deploy needs of the API's endpoint."""
    models = tuple(
        DeployedModel(
            id=model.id,
            model_id=last(model.model.partition("@")[0]),
            version_id=model.model_version_id,
            machine_type=model.dedicated_resources.machine_spec.machine_type,
        )
        for model in message.deployed_models
    )
    # The proto's example of a dedicated endpoint's host has a scheme.
    host = str(message.dedicated_endpoint_dns).removeprefix("https://").removeprefix("http://").rstrip("/")
    if not host and kind_of(message) == "private":
        _, number, _, region, _, endpoint_id = message.name.split("/")
        host = _PRIVATE_HOST.format(endpoint=endpoint_id, region=region, number=number)
    return Endpoint(message.name, dict(message.traffic_split), dict(message.labels), models, host)


def kind_of(endpoint: v1.Endpoint) -> str:
    """Return the `vertex.endpoint-type` that an endpoint was made with."""
    if endpoint.private_service_connect_config.enable_private_service_connect:
        return "private"
    return "dedicated" if endpoint.dedicated_endpoint_enabled else "shared"


def read(vertex: Vertex, name: str) -> v1.Endpoint | None:
    """Return the API's endpoint of a resource name; None if there is none."""
    return vertex.read(vertex.endpoints.get_endpoint, v1.GetEndpointRequest(name=name))


def present(vertex: Vertex, name: str) -> v1.Endpoint:
    """Return the API's endpoint of a resource name, which must exist."""
    endpoint = read(vertex, name)
    if endpoint is None:
        raise EnvironmentFaultError(f"endpoint {last(name)} is not there", fix="run `seatrial deploy` again")
    return endpoint


def name_of_endpoint(vertex: Vertex, endpoint_id: str) -> str:
    """Return the resource name of an endpoint."""
    return f"{vertex.target.parent}/endpoints/{endpoint_id}"


def last(name: str) -> str:
    """Return the last part of a resource name."""
    return name.rpartition("/")[2]
