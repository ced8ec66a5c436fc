"""Whether an endpoint is as the project's settings say, and how what can be changed of it is changed.

What a project leaves at its default is left as it is: somebody may have set it in the console.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2

from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.endpoints import last, name_of_endpoint, present, read
from seatrial.deploy.vertex.operations import Begin, reached
from seatrial.errors import UsageError
from seatrial.findings import Stage, Step
from seatrial.project.values import kebab
from seatrial.project.vertex import ENDPOINT, Sent, fields_of, sent

if TYPE_CHECKING:
    from seatrial.project import Project

_PROJECT = re.compile(r"^projects/[^/]+/")


def is_configured(vertex: Vertex, project: Project, endpoint_id: str) -> bool:
    """Return whether an endpoint is as the project's settings say; what they leave at its default is not looked at.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    if not fields_of(project.vertex, ENDPOINT):
        return True
    found = read(vertex, name_of_endpoint(vertex, endpoint_id))
    return found is not None and not _differing(found, project)


def configure(vertex: Vertex, project: Project, endpoint_id: str) -> Stage[None]:
    """Change what an endpoint has otherwise than the project's settings say.

    Raises:
        UsageError: one of them cannot be changed.
        OperationFailedError: a change ended with an error.
        StillRunningError: it had not ended in time.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    if not fields_of(project.vertex, ENDPOINT):
        return
    deadline = time.monotonic() + project.vertex.endpoint_timeout
    endpoint = present(vertex, name_of_endpoint(vertex, endpoint_id))
    differing = _differing(endpoint, project)
    for key, way in differing.items():
        if not way.changes:
            raise UsageError(
                f"endpoint {last(endpoint.name)} has another vertex.{key} than the project, which cannot be changed",
                fix="name another endpoint, or configure what this one has",
            )
    for key, way in differing.items():
        field = way.field.partition(".")[0]
        yield Step(f"endpoint {last(endpoint.name)}: changing {key}", lasting=True)
        if field == "client_connection_config":  # the only field that the long-running update changes, and its only way
            yield from _wait_longer(vertex, endpoint, project, deadline)
        else:
            wanted = v1.Endpoint(name=endpoint.name, **{field: fields_of(project.vertex, ENDPOINT)[field]})
            request = v1.UpdateEndpointRequest(endpoint=wanted, update_mask=field_mask_pb2.FieldMask(paths=[field]))
            yield from vertex.settle(
                f"changing {key}",
                partial(vertex.write, vertex.endpoints.update_endpoint, request),
                partial(_if_without, vertex, endpoint.name, project, key),
            )


def _wait_longer(vertex: Vertex, endpoint: v1.Endpoint, project: Project, deadline: float) -> Stage[None]:
    """Change how long an endpoint waits for an answer."""
    field = "client_connection_config"
    wanted = v1.Endpoint(name=endpoint.name, **{field: fields_of(project.vertex, ENDPOINT)[field]})
    begin = Begin(
        what="changing inference-timeout",
        kind=v1.UpdateEndpointOperationMetadata,
        method=vertex.endpoints.update_endpoint_long_running,
        request=v1.UpdateEndpointLongRunningRequest(endpoint=wanted),
        done=lambda: "inference-timeout" not in _differing(present(vertex, endpoint.name), project),
    )
    yield from reached(vertex, endpoint.name, begin, deadline)


def _if_without(vertex: Vertex, name: str, project: Project, key: str) -> v1.Endpoint | None:
    found = present(vertex, name)
    return None if key in _differing(found, project) else found


def _differing(endpoint: v1.Endpoint, project: Project) -> dict[str, Sent]:
    """Return the settings, as the user writes them, that an endpoint has otherwise than the project."""
    wanted = v1.Endpoint.pb(v1.Endpoint(fields_of(project.vertex, ENDPOINT)))
    differing = {}
    for name, way in sent(ENDPOINT):
        ours, theirs = _at(wanted, way.field), _at(v1.Endpoint.pb(endpoint), way.field)
        if ours and not _has(theirs, ours):
            differing[kebab(name)] = way
    return differing


def _at(message: Any, path: str) -> Any:
    for part in path.split("."):
        message = getattr(message, part)
    return message


def _has(theirs: Any, ours: Any) -> bool:
    """Return whether a message or value is ours: what only the server fills in does not count."""
    if hasattr(ours, "ListFields"):
        return all(_has(getattr(theirs, field.name), value) for field, value in ours.ListFields())
    if hasattr(ours, "add") or (isinstance(ours, Sequence) and not isinstance(ours, str)):
        return len(theirs) == len(ours) and all(map(_has, theirs, ours))
    if isinstance(ours, str):  # a project may be named by its id or its number
        return bool(_PROJECT.sub("projects/-/", theirs) == _PROJECT.sub("projects/-/", ours))
    return bool(theirs == ours)
