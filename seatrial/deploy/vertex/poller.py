"""Waits for an operation or a job of the cloud by its name, says what it does meanwhile, and never waits for ever.

A poll that fails says nothing about the operation: only a bounded run of failures gives up. What a failure means is
judged elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from seatrial.deploy.platform import OperationError
from seatrial.deploy.vertex.backoff import TRANSIENT, code_of, jittered, name_of
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.target import Limits
from seatrial.errors import EnvironmentFaultError, StillRunningError
from seatrial.findings import Stage, Step
from seatrial.system.signals import raise_if_swallowed

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Seen:
    """What a poll has seen.

    Attributes:
        done: whether it has ended.
        stage: where it is, in the API's words; "" if they do not say.
        partial: the texts of its partial failures so far.
        code: the google.rpc status code with which it ended; 0 for well.
        message: the server's text with that.
        more: what to say beside the stage.
    """

    done: bool
    stage: str = ""
    partial: tuple[str, ...] = ()
    code: int = 0
    message: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Followed(Generic[T]):
    """Something that runs on the server and is read until it has ended.

    Attributes:
        name: its resource name.
        what: what it does, such as "deploying version 2", for the reader.
        read: reads it once; the argument is the time limit in seconds.
        seen: says what was read.
        resume: how to go on waiting for it.
        kind: what it is called.
    """

    name: str
    what: str
    read: Callable[[float], T]
    seen: Callable[[T], Seen]
    resume: str = _RESUME
    kind: str = "operation"


def wait(
    vertex: Vertex, name: str, *, what: str, timeout: float, limits: Limits | None = None
) -> Stage[operations_pb2.Operation]:
    """Wait until an operation has ended well, and return it.

    Args:
        vertex: the API.
        name: the operation's resource name.
        what: what it does, for the reader.
        timeout: seconds.
        limits: of polling; default: those of `vertex`.

    Raises:
        OperationFailedError, StillRunningError, EnvironmentFaultError, GoogleAPICallError: as `follow` does.
    """
    operation = Followed(name, what, lambda seconds: vertex.operation(name, timeout=seconds), _of_operation)
    return (yield from follow(vertex, operation, timeout, limits))


def follow(vertex: Vertex, followed: Followed[T], timeout: float, limits: Limits | None = None) -> Stage[T]:
    """Read something that runs until it has ended well, and return it as it is then.

    Raises:
        OperationFailedError: it ended with an error.
        StillRunningError: it had not ended in `timeout` seconds; it goes on.
        EnvironmentFaultError: it cannot be read any more.
        google.api_core.exceptions.GoogleAPICallError: reading it is refused.
    """
    limits = limits or vertex.limits
    name, what = followed.name, followed.what
    start = time.monotonic()
    progress = _Progress(what, start, timeout)
    vertex.awaited[name] = what
    pause, failures = limits.first, 0
    while True:
        remaining = start + timeout - time.monotonic()
        try:
            read = followed.read(max(0.5, min(limits.call, remaining)))
        except exceptions.NotFound:
            raise EnvironmentFaultError(
                f"{what}: the server knows no {followed.kind} {name}", fix=followed.resume
            ) from None
        except exceptions.GoogleAPICallError as error:
            failures += 1
            if code_of(error) not in TRANSIENT:
                raise
            if failures >= limits.failures:
                raise EnvironmentFaultError(
                    f"{what}: {failures} polls of {name} failed in a row, the last with {name_of(code_of(error))}: "
                    f"{error.message}; the {followed.kind} may still run",
                    fix=followed.resume,
                ) from None
            yield Step(f"{what}: a poll failed with {name_of(code_of(error))}, {failures} of {limits.failures}")
        else:
            failures, seen = 0, followed.seen(read)
            yield from progress.news(seen, limits.heartbeat)
            if seen.done:
                del vertex.awaited[name]
                if seen.code:
                    raise OperationFailedError(
                        name, what, seen.code, seen.message, tuple(progress.partial), progress.stage
                    )
                return read
        remaining = start + timeout - time.monotonic()
        if remaining <= 0:
            text = f"{what} still runs after {span(timeout)}: {followed.kind} {name}"
            raise StillRunningError(text, fix=followed.resume)
        raise_if_swallowed()  # there may be no news for a minute, and GitHub ends a cancelled step after ten seconds
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

    def news(self, seen: Seen, heartbeat: float) -> Stage[None]:
        for text in seen.partial:
            if text not in self.partial:
                self.partial.append(text)
                yield Step(f"{self.what}: partial failure: {text}", lasting=True)
        now = time.monotonic()
        more = f", {seen.more}" if seen.more else ""
        if seen.done:
            self.stage = self.stage or seen.stage
            if not seen.code:
                yield Step(f"{self.what}: done after {span(now - self.start)}{more}", lasting=True)
        elif seen.stage != self.stage or now - self.said >= heartbeat:
            self.stage, self.said = seen.stage or self.stage, now
            doing = self.stage.lower().replace("_", " ") or "running"
            left = span(max(0.0, self.start + self.timeout - now))
            yield Step(f"{self.what}: {doing}{more}, after {span(now - self.start)}, {left} left", lasting=True)


def _of_operation(operation: operations_pb2.Operation) -> Seen:
    metadata = metadata_of(operation)
    failures = metadata.generic_metadata.partial_failures if metadata is not None else ()
    return Seen(
        done=operation.done,
        stage=_stage(metadata),
        partial=tuple(f"{name_of(status.code)}: {status.message}" for status in failures),
        code=operation.error.code,
        message=operation.error.message,
    )


def _stage(metadata: Any) -> str:
    """Return the deployment stage as the proto names it, or its number where this client knows no name; "" for none."""
    stage = getattr(metadata, "deployment_stage", 0)
    return str(getattr(stage, "name", stage)) if stage else ""
