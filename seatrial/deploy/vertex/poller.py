"""Waits for one operation of the cloud by its name, says what it does meanwhile, and never waits for ever.

A poll that fails says nothing about the operation: only a bounded run of failures gives up. What a failure means is
judged elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from seatrial.deploy.platform import OperationError
from seatrial.deploy.vertex.backoff import TRANSIENT, code_of, jittered, name_of
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.target import Limits
from seatrial.errors import EnvironmentFaultError, StillRunningError
from seatrial.findings import Stage, Step

_RESUME = "run `seatrial deploy` again: it finds what runs and goes on"
_METADATA = {
    kind.pb().DESCRIPTOR.full_name: kind
    for kind in (
        v1.CreateEndpointOperationMetadata,
        v1.DeleteOperationMetadata,
        v1.DeployModelOperationMetadata,
        v1.UndeployModelOperationMetadata,
        v1.UpdateEndpointOperationMetadata,
        v1.UploadModelOperationMetadata,
    )
}


class OperationFailedError(OperationError):
    """An operation ended with an error.

    Attributes:
        name: the operation's resource name.
        what: what it did, in words.
        code: the google.rpc status code.
        message: the server's text.
        partial: the texts of its partial failures.
        stage: the deployment stage that it was seen in last; "" if it has none.
    """

    def __init__(
        self, name: str, what: str, code: int, message: str, partial: tuple[str, ...] = (), stage: str = ""
    ) -> None:
        super().__init__(f"{what}: {name_of(code)}: {message}")
        self.name, self.what, self.code, self.message = name, what, code, message
        self.partial, self.stage = partial, stage


def wait(
    vertex: Vertex, name: str, *, what: str, timeout: float, limits: Limits | None = None
) -> Stage[operations_pb2.Operation]:
    """Wait until an operation has ended well, and return it.

    Args:
        vertex: the API.
        name: the operation's resource name.
        what: what it does, such as "deploying version 2", for the reader.
        timeout: seconds.
        limits: of polling; default: those of `vertex`.

    Raises:
        OperationFailedError: it ended with an error.
        StillRunningError: it had not ended in time; it goes on.
        EnvironmentFaultError: it cannot be read any more.
        google.api_core.exceptions.GoogleAPICallError: reading it is refused.
    """
    limits = limits or vertex.limits
    start = time.monotonic()
    progress = _Progress(what, start, timeout)
    vertex.awaited[name] = what
    pause, failures = limits.first, 0
    while True:
        remaining = start + timeout - time.monotonic()
        try:
            operation = vertex.operation(name, timeout=max(0.5, min(limits.call, remaining)))
        except exceptions.NotFound:
            raise EnvironmentFaultError(f"{what}: the server knows no operation {name}", fix=_RESUME) from None
        except exceptions.GoogleAPICallError as error:
            failures += 1
            if code_of(error) not in TRANSIENT:
                raise
            if failures >= limits.failures:
                raise EnvironmentFaultError(
                    f"{what}: {failures} polls of {name} failed in a row, the last with {name_of(code_of(error))}: "
                    f"{error.message}; the operation may still run",
                    fix=_RESUME,
                ) from None
            yield Step(f"{what}: a poll failed with {name_of(code_of(error))}, {failures} of {limits.failures}")
        else:
            failures = 0
            yield from progress.news(operation, limits.heartbeat)
            if operation.done:
                del vertex.awaited[name]
                if operation.error.code:
                    code, message = operation.error.code, operation.error.message
                    raise OperationFailedError(name, what, code, message, tuple(progress.partial), progress.stage)
                return operation
        remaining = start + timeout - time.monotonic()
        if remaining <= 0:
            raise StillRunningError(f"{what} still runs after {span(timeout)}: operation {name}", fix=_RESUME)
        time.sleep(min(remaining, jittered(min(limits.cap, pause))))
        pause = min(limits.cap, pause * 1.5)


def outlast(
    vertex: Vertex, operations: Iterable[operations_pb2.Operation], *, what: str, deadline: float
) -> Stage[None]:
    """Wait until operations that others may have begun have ended, however they end.

    Raises:
        StillRunningError: one had not ended by `deadline`, which is on the monotonic clock.
        EnvironmentFaultError: one cannot be read any more.
    """
    for operation in operations:
        try:
            yield from wait(vertex, operation.name, what=what, timeout=max(0.0, deadline - time.monotonic()))
        except OperationFailedError as error:
            yield Step(f"{error}", lasting=True)


def is_a(operation: operations_pb2.Operation, metadata: Any) -> bool:
    """Return whether an operation is of the kind that has this metadata, such as `v1.DeployModelOperationMetadata`."""
    return bool(operation.metadata.Is(metadata.pb().DESCRIPTOR))


def metadata_of(operation: operations_pb2.Operation) -> Any:
    """Return an operation's metadata in its own type; None for a kind that no deploy begins."""
    kind = _METADATA.get(operation.metadata.type_url.rpartition("/")[2])
    return None if kind is None else kind.deserialize(operation.metadata.value)


def span(seconds: float) -> str:
    """Return a duration in words, such as `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class _Progress:
    """What was said of an operation already."""

    def __init__(self, what: str, start: float, timeout: float) -> None:
        self.what, self.start, self.timeout = what, start, timeout
        self.partial: list[str] = []
        self.stage = ""
        self.said = start

    def news(self, operation: operations_pb2.Operation, heartbeat: float) -> Stage[None]:
        metadata = metadata_of(operation)
        for status in metadata.generic_metadata.partial_failures if metadata is not None else ():
            text = f"{name_of(status.code)}: {status.message}"
            if text not in self.partial:
                self.partial.append(text)
                yield Step(f"{self.what}: partial failure: {text}", lasting=True)
        stage = _stage(metadata)
        now = time.monotonic()
        if operation.done:
            self.stage = self.stage or stage
            if not operation.error.code:
                yield Step(f"{self.what}: done after {span(now - self.start)}", lasting=True)
        elif stage != self.stage or now - self.said >= heartbeat:
            self.stage, self.said = stage or self.stage, now
            doing = self.stage.lower().replace("_", " ") or "running"
            left = span(max(0.0, self.start + self.timeout - now))
            yield Step(f"{self.what}: {doing}, after {span(now - self.start)}, {left} left", lasting=True)


def _stage(metadata: Any) -> str:
    """Return the deployment stage as the proto names it, or its number where this client knows no name; "" for none."""
    stage = getattr(metadata, "deployment_stage", 0)
    return str(getattr(stage, "name", stage)) if stage else ""
