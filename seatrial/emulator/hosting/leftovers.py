"""A record of every process that the emulator starts, so that the next emulator ends what a killed one left behind.

A process is identified by its number and start time: the number alone may be reused.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from seatrial.errors import EnvironmentFaultError
from seatrial.system import process

_GONE_TIMEOUT = 5.0  # seconds for the kernel to remove a killed group


class Leftovers:
    """The folder in which each running process group has a file with its number as name and its start as content."""

    def __init__(self, folder: Path) -> None:
        """`folder` is created if missing."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def note(self, pid: int) -> None:
        """Record a process that leads a group; one that has ended already is left out."""
        if started := _started(pid):
            (self._folder / str(pid)).write_text(started, encoding="ascii")

    def forget(self, pid: int) -> None:
        """Delete the record of a process whose whole group is gone."""
        (self._folder / str(pid)).unlink(missing_ok=True)

    def end(self) -> None:
        """End every group that is still recorded, and wait until it is gone."""
        for file in self._folder.iterdir():
            pid = int(file.name)
            if file.read_text(encoding="ascii") == _started(pid):
                _kill(pid)
            file.unlink()


def _kill(leader: int) -> None:
    deadline = time.monotonic() + _GONE_TIMEOUT
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    while time.monotonic() < deadline and _started(leader):
        time.sleep(0.01)


def _started(pid: int) -> str:
    """Return the start of a process in the system's own form; "" if no process has that number."""
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may hold anything; state and start are fields 3 and 22 of proc(5).
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    with contextlib.suppress(EnvironmentFaultError):
        code, printed = process.output(["ps", "-o", "lstart=", "-p", str(pid)], env={"LC_ALL": "C"}, timeout=10)
        return printed.strip() if code == 0 else ""
    return ""
