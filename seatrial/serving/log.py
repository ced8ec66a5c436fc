"""One JSON object a line on stdout: the form in which Cloud Logging keeps severity and fields.

Everything that logs through the standard library (uvicorn, warnings, the predictor) comes out in the same form.
Python's default, text on stderr, would show there line by line as ERROR.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Origin(Protocol):
    """Where a request comes from, as `seatrial.serving.origin` knows it."""

    @property
    def request_id(self) -> str:
        """Its id."""

    def fields(self) -> dict[str, object]:
        """Return what a line says of it."""


_STDOUT = 1
_lock = threading.Lock()
_between_processes = -1  # the descriptor of a file that is locked for each line
_origins: tuple[Origin, ...] = ()


def share(descriptor: int) -> None:
    """Keep lines whole that other processes of this server write to the same place."""
    global _between_processes
    _between_processes = descriptor


def about(*origins: Origin) -> None:
    """Let the lines of this process say, from now on, that they are about these requests; none for about no request."""
    global _origins
    _origins = origins


def _asked() -> dict[str, object]:
    if len(_origins) == 1:
        return _origins[0].fields()
    return {"request_ids": [origin.request_id for origin in _origins]} if _origins else {}


def write(severity: str, message: str, **fields: object) -> None:
    """Write one line; `severity` is Cloud Logging's: INFO, WARNING, ERROR or CRITICAL."""
    now = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    entry = {"severity": severity, "message": message, "time": now, **_asked(), **fields}
    # Not through sys.stdout, whose buffer may hold half a line of a print().
    rest = json.dumps(entry, default=str).encode() + b"\n"
    with _lock, alone(_between_processes), suppress(OSError):  # a reader of the log that is gone must not end it
        while rest:
            rest = rest[os.write(_STDOUT, rest) :]


class Limited:
    """Lines of which so many a second are written; the first of a later second says how many were left out."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._second = 0
        self._written = self._left_out = 0

    def write(self, severity: str, message: str, **fields: object) -> None:
        """Write a line, or count it."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written == self._most:
            self._left_out += 1
            return
        self._written += 1
        more = {"left_out": self._left_out} if self._left_out else {}
        self._left_out = 0
        write(severity, message, **fields, **more)


@contextmanager
def alone(descriptor: int) -> Iterator[None]:
    """Hold a lock between processes, on a descriptor that they share; -1 is none. The end of a process frees it."""
    if descriptor < 0 or sys.platform == "win32":
        yield
        return
    import fcntl

    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


def traceback_of(error: BaseException) -> str:
    """Return the whole traceback, chained causes included."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def text_of(error: BaseException) -> str:
    """Return an exception as `TypeName: text`."""
    return f"{type(error).__name__}: {error}"


def configure() -> None:
    """Send the standard library's logging and warnings through `write`; of uvicorn and Pillow only what is serious."""
    logging.basicConfig(level=logging.INFO, handlers=[_Handler()], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # its warnings are about what clients send
    # What Pillow logs about a file is the client's fault, who is told; as ERROR it would raise alarms.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)  # the predictor's print() comes out in whole lines too


def flush() -> None:
    """Write out what print() left in the buffers; call it before os._exit."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or its reader is gone
            stream.flush()


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields: dict[str, object] = {"logger": record.name}
            if record.exc_info and record.exc_info[1]:
                fields["traceback"] = traceback_of(record.exc_info[1])
            severity = record.levelname if record.levelname in _SEVERITIES else "DEFAULT"
            write(severity, record.getMessage(), **fields)
        except Exception:  # noqa: BLE001 - a log record that cannot be formatted must not fail its request
            self.handleError(record)


_SEVERITIES = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
