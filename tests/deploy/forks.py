"""Deploys forked from a process that has imported all and opened no connection: two seconds less for each.

What is forked runs the command line as a process and a group of its own, which can be killed at any point.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from multiprocessing.process import BaseProcess
from pathlib import Path

from seatrial.cli.main import main
from tests.conftest import ROOT
from tests.deploy.rehearsal import Ended

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "__main__", "tests.deploy.forks", "seatrial.cli.deploy", "seatrial.deploy.candidate",
        "seatrial.deploy.deployment", "seatrial.emulator.local", "google.cloud.storage",
    ]
)  # fmt: skip


class Forked:
    """A `seatrial deploy` that runs."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        """`folder` gets what it prints and shows."""
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._process: BaseProcess = _FORKS.Process(target=_run, args=(arguments, environment, self._folder))
        self._process.start()

    @property
    def runs(self) -> bool:
        return self._process.is_alive()

    @property
    def shown(self) -> str:
        return (self._folder / "stderr").read_text()

    def kill(self) -> None:
        """End it as a power cut would, and return when it is gone."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()

    def ended(self, timeout: float) -> Ended:
        """Wait until it has ended by itself."""
        self._process.join(timeout)
        if self._process.is_alive():
            self.kill()
            raise AssertionError(f"a deploy did not end within {timeout} s: {self.shown}")
        code, printed, shown = self._process.exitcode, (self._folder / "stdout").read_text(), self.shown
        self._process.close()
        assert "Traceback (most recent call last)" not in shown, shown
        assert code is not None
        return Ended(code, json.loads(printed) if printed.strip() else {}, shown)


def _run(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    os.setsid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.exit(main(arguments))
