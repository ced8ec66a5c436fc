"""What the programs that a stage runs print, line by line as it comes, for whoever wants to hear it.

A stage does not know whether anybody listens, nor how a line is shown. Without a listener nothing is done. Lines come
from the threads that read the programs' pipes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from seatrial.system.redaction import redacted

_listeners: list[Callable[[str], None]] = []


def pass_on(line: str) -> None:
    """Tell the listeners, if there are any, one line of a program, without the passwords and tokens in it."""
    if _listeners and line.strip():
        for listener in tuple(_listeners):
            listener(redacted(line.rstrip()))


@contextlib.contextmanager
def by(listener: Callable[[str], None]) -> Iterator[None]:
    """Let `listener` hear what programs print until the block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
