"""What the programs that a stage runs print, line by line as it comes, for whoever wants to hear it.

A stage does not know whether anybody listens, nor how a line is shown. Without a listener nothing is done. Lines come
from the threads that read the programs' pipes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from seatrial.system import controls
from seatrial.system.redaction import redacted

_listeners: list[Callable[[str], None]] = []


def pass_on(line: str) -> None:
    """Tell the listeners, if there are any, a line of a program, without passwords, tokens and control characters."""
    if _listeners and (text := controls.without(line.rstrip())):
        for listener in tuple(_listeners):
            listener(redacted(text))


@contextlib.contextmanager
def by(listener: Callable[[str], None]) -> Iterator[None]:
    """Let `listener` hear what programs print until the block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
