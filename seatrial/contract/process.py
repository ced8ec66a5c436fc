"""A server that the suite starts itself: a command, under the variables of Vertex AI, in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from seatrial.contract.variables import CONTRACT
from seatrial.system import overheard, process


class Running:
    """A command that runs: its process, its port, and what it prints."""

    def __init__(self, started: subprocess.Popen[str], port: int, errors: IO[bytes]) -> None:
        self._process = started
        self._errors = errors
        self.port = port
        self.began = time.monotonic()
        self.printed: list[str] = []  # lines of standard output
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - process.start() gives a pipe
        with contextlib.suppress(ValueError):  # closed while it was read
            for line in self._process.stdout:
                self.printed.append(line.rstrip("\n"))
                overheard.pass_on(line)

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, negative for a signal."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self.began

    def terminate(self) -> None:
        """Send SIGTERM to the process itself, as the platform does to the first one of a container."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; return the exit code, or None if it still runs after `timeout` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
            self._reader.join(1)  # what it printed last
        return self.exit_code

    def left_behind(self) -> bool:
        """Return whether a process that it started runs although it has ended."""
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def errors(self) -> list[str]:
        """Return the lines of its standard error."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").splitlines()

    def tail(self, lines: int = 15) -> tuple[str, ...]:
        """Return the last lines that it printed, those of standard error last."""
        return tuple([*self.printed, *self.errors()][-lines:])

    def connect(self, timeout: float) -> socket.socket:
        """Open a connection to its port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)


def variables(port: int, health: str, predict: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command: this process's own, with the variables of Vertex AI."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIP_")}
    routes = {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": health, "AIP_PREDICT_ROUTE": predict}
    return {**own, **CONTRACT, **routes, **more}


@contextlib.contextmanager
def running(command: Sequence[str], health: str, predict: str, more: Mapping[str, str]) -> Iterator[Running]:
    """Start a command on a free port; it and all that it started end with the block.

    Raises:
        EnvironmentFaultError: it cannot be started.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as errors:
        started = process.start(command, env=variables(port, health, predict, more), errors=errors)
        try:
            yield Running(started, port, errors)
        finally:
            process.kill(started)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
