"""The standard output and standard error of a server, both copied to the log of its deployed model."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import IO

from seatrial.emulator.api.hosting import Placement
from seatrial.emulator.api.logs import Logs


def logged(
    start: Callable[[IO[bytes]], subprocess.Popen[str]], placement: Placement, logs: Logs
) -> tuple[subprocess.Popen[str], Callable[[], None]]:
    """Start a process and copy its output to a log; return it, and a function that waits for the end of the output.

    `start` gets the file for the process's standard error.
    """
    reading, writing = os.pipe()
    with open(writing, "wb") as errors:  # noqa: PTH123 - a descriptor, not a path
        process = start(errors)
    assert process.stdout is not None  # noqa: S101 - process.start() gives a pipe
    readers = (
        logs.follow(placement, process.stdout, error=False),
        logs.follow(placement, open(reading, encoding="utf-8", errors="replace"), error=True),  # noqa: PTH123, SIM115
    )

    def wait() -> None:
        for reader in readers:
            reader()

    return process, wait
