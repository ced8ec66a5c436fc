"""Running a version that names an image: as a container of docker or podman with a port on this machine.

The image runs as on Vertex AI, with its own command and user, but without capabilities. Every container has the label
of its emulator, so that the next emulator finds and removes what a killed one left.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from seatrial.containers import engine as engines
from seatrial.containers import inspection, run
from seatrial.containers.engine import Engine
from seatrial.containers.run import COMMAND_TIMEOUT
from seatrial.emulator.api import refusals
from seatrial.emulator.api.hosting import HostingError, Placement
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.hosting import streams, variables
from seatrial.emulator.hosting.probes import Launch
from seatrial.errors import EnvironmentFaultError, SeatrialError, UsageError
from seatrial.system import process
from seatrial.trial.server import STOP_TIMEOUT

LABEL = "dev.seatrial.emulator"
_PULL_TIMEOUT = 1800.0  # seconds; 3 GB of a CUDA image at 2 MB/s
_LOG_TIMEOUT = 5.0  # seconds for the log of an ended container to end


class Containers:
    """The containers of one emulator, and their engine, which is looked for when the first one is needed."""

    def __init__(self, state: Path, wanted: str, logs: Logs) -> None:
        """`wanted` is `docker`, `podman` or `auto`; `state` identifies the emulator and its containers."""
        self._label = f"{LABEL}={hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]}"
        self._mark, self._wanted, self._logs = state / "engine", wanted, logs
        self._finding = threading.Lock()

    def sweep(self) -> None:
        """Remove the containers that a killed emulator left; no engine is asked if none ever ran.

        Raises:
            EnvironmentFaultError: they cannot be removed.
        """
        if not self._mark.is_file():
            return
        engine = engines.find(self._mark.read_text(encoding="ascii"))
        listed = engine.ask(["ps", "--all", "--quiet", "--filter", f"label={self._label}"]).split()
        if listed:
            engine.ask([*run.removal(engine), *listed], timeout=COMMAND_TIMEOUT)
        self._mark.unlink()

    def fetch(self, placement: Placement) -> None:
        """Pull the image unless it is on this machine.

        Raises:
            HostingError: there is no such image.
        """
        reference = placement.model.container_spec.image_uri
        try:
            engine = self._engine()
            try:
                inspection.inspect(engine, reference)
            except UsageError:
                engine.ask(["pull", "--quiet", reference], timeout=_PULL_TIMEOUT)
        except SeatrialError as error:
            self._logs.write(placement, error.message, error=True)
            text = refusals.image_unreadable(reference, refusals.service_agent(placement.project_number))
            raise HostingError(refusals.FAILED_PRECONDITION, text) from None

    @contextlib.contextmanager
    def room(self, placement: Placement) -> Iterator[Launch]:
        """Yield what starts a container of the image, a new one each time."""
        yield functools.partial(self._launch, placement, self._engine())

    def _engine(self) -> Engine:
        with self._finding:
            found = engines.find(self._wanted)
            self._mark.write_text(found.name, encoding="ascii")
            return found

    def _launch(self, placement: Placement, engine: Engine) -> _Container:
        spec = placement.model.container_spec
        port = variables.port(placement)
        contract = variables.contract(placement, port, placement.model.artifact_uri)
        env = variables.own(placement, contract) | contract
        command = [variables.filled(part, env) for part in spec.command]
        arguments = [variables.filled(part, env) for part in spec.args]
        name = f"seatrial-emulated-{secrets.token_hex(8)}"
        engine.ask(
            [
                "create", "--name", name,
                *run.options(engine, self._label, env, gpu="AIP_ACCELERATOR_TYPE" in env),
                *(f"--publish=127.0.0.1::{each}" for each in {port, *variables.probed_ports(placement)}),
                *(("--shm-size", f"{spec.shared_memory_size_mb}m") if spec.shared_memory_size_mb else ()),
                *(("--entrypoint", command[0]) if command else ()),
                spec.image_uri, *command[1:], *arguments,
            ],
            timeout=COMMAND_TIMEOUT,
        )  # fmt: skip
        try:
            engine.ask(["start", name], timeout=COMMAND_TIMEOUT)
            return _Container(engine, name, port, placement, self._logs)
        except BaseException:
            engine.output([*run.removal(engine), name], timeout=COMMAND_TIMEOUT)
            raise


class _Container:
    """A server that runs in a container."""

    def __init__(self, engine: Engine, name: str, port: int, placement: Placement, logs: Logs) -> None:
        self._engine, self._name = engine, name
        follow = functools.partial(run.follow_log, engine, name)
        self._printing, self._wait_for_output = streams.logged(follow, placement, logs)
        # The log may go on for seconds after the end: podman's polls.
        self._waiting = process.start([engine.program, "wait", name], env=engines.environment())
        self.address = self.reached(port)

    def reached(self, port: int) -> tuple[str, int]:
        return "127.0.0.1", self._published(port)

    def succeeds(self, command: Sequence[str], timeout: float) -> bool:
        with contextlib.suppress(EnvironmentFaultError):  # it does not end
            return self._engine.output(["exec", "--workdir", "/", self._name, *command], timeout=timeout)[0] == 0
        return False

    def ended(self, *, certain: bool = False) -> bool:
        return self._waiting.poll() is not None or (certain and not self._runs())

    def end(self) -> None:
        if not self.ended(certain=True):
            self._engine.output(["stop", "--time", f"{STOP_TIMEOUT:g}", self._name], timeout=COMMAND_TIMEOUT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._printing.wait(_LOG_TIMEOUT)
        process.kill(self._waiting)
        process.signal_group(self._printing, signal.SIGKILL)
        self._printing.wait()
        self._wait_for_output()
        self._engine.output([*run.removal(self._engine), self._name], timeout=COMMAND_TIMEOUT)

    def _runs(self) -> bool:
        return bool(run.describe(self._engine, self._name)["State"]["Running"])

    def _published(self, port: int) -> int:
        """Return the port on this machine; 0 for a container that has ended already."""
        code, printed = self._engine.output(["port", self._name, str(port)], timeout=COMMAND_TIMEOUT)
        lines = printed.split() if code == 0 else []
        if not lines:
            if self._runs():
                raise EnvironmentFaultError(f"{self._engine.name} publishes no port of {self._name}:\n{printed}")
            return 0
        return int(lines[0].rpartition(":")[2])
