"""Begins operations on endpoints and models once, even if others begin the same, and waits for their effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seatrial.deploy.platform import ChangedBackError
from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.client import Vertex
from seatrial.findings import Stage


@dataclass(frozen=True, slots=True)
class Begin:
    """An operation to begin, and how to see whether its effect is there."""

    what: str
    kind: Any  # the type of its metadata
    method: Callable[..., Any]
    request: Any
    done: Callable[[], bool]


def reached(vertex: Vertex, resource: str, begin: Begin, deadline: float) -> Stage[bool]:
    """Wait for operations of the kind that run, then begin our own unless they did it; return whether ours did it."""

    def write() -> str:
        return str(vertex.write(begin.method, begin.request).operation.name)

    def look() -> str | None:
        running = running_of(vertex, resource, begin.kind)  # asked first: what ends after it was asked is seen as done
        return "" if running or begin.done() else None

    while not begin.done():
        if (yield from outlasted(vertex, resource, begin, deadline)) and begin.done():
            return False
        name = yield from vertex.settle(begin.what, write, look)
        if name:
            yield from poller.wait(vertex, name, what=begin.what, timeout=max(0.0, deadline - time.monotonic()))
            if not begin.done():
                raise ChangedBackError(
                    f"{begin.what}: {name} ended well, and {resource.rpartition('/')[2]} is as before",
                    fix="another deploy changes it: run `seatrial deploy` again when that one has ended",
                )
            return True
    return False


def outlasted(vertex: Vertex, resource: str, begin: Begin, deadline: float) -> Stage[bool]:
    """Wait for operations of the kind that run; return whether there were any."""
    running = running_of(vertex, resource, begin.kind)
    yield from poller.outlast(vertex, running, what=f"{begin.what}, begun before", deadline=deadline)
    return bool(running)


def running_of(vertex: Vertex, resource: str, kind: Any) -> list[Any]:
    """Return the running operations of a kind on a model or endpoint."""
    return [operation for operation in vertex.operations(resource) if poller.is_a(operation, kind)]
