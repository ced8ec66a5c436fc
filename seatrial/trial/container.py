"""A server on trial that runs as a container: locked down, on a network with no way out, removed when the block ends.

Everything that is started carries the label of its trial, so that the next run finds and removes what a killed one
left. The image is run as it is: its own command, another user, nothing mounted but an empty /tmp.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seatrial.containers import engine as engines
from seatrial.containers import run
from seatrial.containers.engine import Engine
from seatrial.containers.inspection import Image
from seatrial.containers.run import COMMAND_TIMEOUT
from seatrial.contract.variables import ACCELERATOR, CONTRACT
from seatrial.errors import EnvironmentFaultError
from seatrial.image.dockerfile import PORT
from seatrial.serving.machine import GIVES_BACK
from seatrial.system import process
from seatrial.system.cache import cache_dir
from seatrial.trial import inside
from seatrial.trial.inside.ask import ask
from seatrial.trial.inside.usage import Usage
from seatrial.trial.server import SCRIPT_TIMEOUT, Server

LABEL = "dev.seatrial.trial"
USER = 12345  # neither root nor the image's own: nothing may depend on who it is
# Otherwise podman adds writable folders of its own to a read-only container.
_READ_ONLY = {"docker": ["--read-only"], "podman": ["--read-only", "--read-only-tmpfs=false"]}


@dataclass(frozen=True, slots=True)
class Isolation:
    """A network with no way out, the name by which everything of one trial is found, and what the version sets.

    Attributes:
        engine: docker or podman.
        trial: the name.
        own: the variables that the model version gives its container.
        shared_memory: bytes of /dev/shm in it.
    """

    engine: Engine
    trial: str
    own: Mapping[str, str]
    shared_memory: int

    @property
    def network(self) -> str:
        """The name of the network."""
        return f"seatrial-{self.trial}"


@contextlib.contextmanager
def isolated(engine: Engine, own: Mapping[str, str], shared_memory: int) -> Iterator[Isolation]:
    """Make an isolated network; it and every container of the trial are removed however the block ends."""
    root = cache_dir()
    root.mkdir(parents=True, exist_ok=True)
    sweep(engine, root)
    isolation = Isolation(engine, secrets.token_hex(8), own, shared_memory)
    lock = root / f"{engine.name}-{isolation.trial}.lock"
    with FileLock(lock):
        try:
            _make_network(isolation)
            yield isolation
        finally:
            if _remove(engine, isolation.trial):
                lock.unlink(missing_ok=True)


def _make_network(isolation: Isolation) -> None:
    """Make the network; podman gives this machine an address in it only if it is named."""
    engine = isolation.engine
    quiet = ["--disable-dns"] if engine.name == "podman" else []  # its name server would ask the outside
    create = ["network", "create", "--internal", *quiet, "--label", f"{LABEL}={isolation.trial}"]
    _done(engine, [*create, isolation.network])
    if engine.name == "docker":
        return
    found = json.loads(engine.ask(["network", "inspect", isolation.network]))[0].get("subnets")
    if found and not found[0].get("gateway"):  # the network is made again, with what podman has found to be free
        subnet = ipaddress.ip_network(found[0]["subnet"])
        _done(engine, ["network", "rm", isolation.network])
        try:
            _done(engine, [*create, "--subnet", str(subnet), "--gateway", str(subnet[1]), isolation.network])
        except EnvironmentFaultError:  # the subnet was taken meanwhile; containers are then asked from within
            _done(engine, [*create, isolation.network])


def sweep(engine: Engine, root: Path) -> None:
    """Remove the containers and networks of killed runs, which are those whose lock nobody holds."""
    for lock in root.glob(f"{engine.name}-*.lock"):
        with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
            if _remove(engine, lock.stem.removeprefix(f"{engine.name}-")):
                lock.unlink(missing_ok=True)


def _remove(engine: Engine, trial: str) -> bool:
    """Remove everything of a trial; return whether nothing is left."""
    label = f"label={LABEL}={trial}"
    for listing, removing in (
        (["ps", "--all", "--quiet", "--filter", label], run.removal(engine)),
        (["network", "ls", "--quiet", "--filter", label], ["network", "rm"]),
    ):
        code, printed = engine.output(listing, timeout=COMMAND_TIMEOUT)
        if code != 0:
            return False
        if printed.split() and engine.output([*removing, *printed.split()], timeout=COMMAND_TIMEOUT)[0] != 0:
            return False
    return True


def _done(engine: Engine, arguments: list[str]) -> str:
    """Run a command of the engine to its end even if interrupted, so that what it makes can be found and removed."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(engine.ask, arguments, timeout=COMMAND_TIMEOUT).result()


class ContainerServer(Server):
    """A server in a container, asked at its own address, or from within if the host cannot reach that."""

    requests_a_measurement = 20  # each is a program that the engine starts in the container

    def __init__(
        self, isolation: Isolation, name: str, image: Image, memory: str, began: float, contract: Mapping[str, str]
    ) -> None:
        self._engine = isolation.engine
        self._isolation = isolation
        self._name = name
        self._image = image
        self._memory = memory
        self._exit_code: int | None = None
        self._address: str | None = None
        super().__init__(run.follow_log(self._engine, name), began, contract)

    def host(self) -> str:
        """Return the name that the engine gave the container."""
        return str(self._inspected()["Config"].get("Hostname", ""))

    def _ask(self, method: str, route: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        if self._address is None:
            self._address = self._reachable_address()
        if self._address:
            return ask(self._address, PORT, method, route, body, timeout)
        return self._ask_from_within(method, route, body, timeout)

    def unreachable(self) -> str | None:
        """Return why it is asked from within: no other program of this machine has a connection to it."""
        return None if self._address else "the container's port cannot be reached from this machine"

    def connect(self, timeout: float) -> socket.socket:
        """Open a connection to the container's own address."""
        return socket.create_connection((self._address, PORT), timeout)

    def _reachable_address(self) -> str:
        """Return the container's address if it is on a network of this machine and takes connections; "" otherwise."""
        found = self._inspected()["NetworkSettings"]["Networks"].get(self._isolation.network, {})
        if not found.get("IPAddress"):
            raise ConnectionError("the container has no address, or has lost it")
        subnet = ipaddress.ip_network(f"{found['IPAddress']}/{found['IPPrefixLen']}", strict=False)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((found["IPAddress"], PORT))  # sends nothing; only chooses a route
                if ipaddress.ip_address(probe.getsockname()[0]) not in subnet:
                    return ""  # another machine's network may have such an address too: it must not be asked
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection((found["IPAddress"], PORT), timeout=2).close()
        except OSError:
            return ""
        return str(found["IPAddress"])

    def _ask_from_within(self, method: str, route: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        code, printed = self._within("ask.py", method, route, str(PORT), f"{timeout:g}", timeout=timeout, given=body)
        try:
            status, data = json.loads(printed.splitlines()[-1]) if code == 0 else (0, "")
        except (ValueError, IndexError):
            status, data = 0, ""
        if status == 0:
            raise ConnectionError(base64.b64decode(data).decode() or printed)
        return status, base64.b64decode(data)

    def _within(self, script: str, *arguments: str, timeout: float = 0, given: bytes = b"") -> tuple[int, str]:
        """Run a script of `inside` in the container; return its exit code and what it printed."""
        program = (inside.FOLDER / script).read_text(encoding="utf-8")
        command = [self._image.python, "-I", "-c", program, *arguments]
        return process.output(
            [self._engine.program, "exec", "--interactive", self._name, *command],
            env=engines.environment(), timeout=timeout + COMMAND_TIMEOUT, given=given,
        )  # fmt: skip

    def usage(self) -> Usage:
        """Return what the container's processes use; {} where its engine or its Python does not tell."""
        code, printed = self._within("usage.py", "1", "/tmp", "/dev/shm")  # noqa: S108 - paths of the container
        try:
            used: Usage = json.loads(printed.splitlines()[-1]) if code == 0 else {}
        except (ValueError, IndexError):
            return {}
        return used

    def _signal(self, number: signal.Signals) -> None:
        name = number.name.removeprefix("SIG")
        self._engine.output(["kill", "--signal", name, self._name], timeout=COMMAND_TIMEOUT)

    def wait_for_end(self, timeout: float) -> int | None:
        """Wait for the end of the log, and then for the engine to say how it ended."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._printing.wait(timeout)
        while (code := self.exit_code) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self._reader.join(1)
        return code

    def end(self) -> None:
        """End the container."""
        if self.exit_code is None:
            self._signal(signal.SIGKILL)
            self.wait_for_end(COMMAND_TIMEOUT)
        self._reader.join(1)

    @property
    def exit_code(self) -> int | None:
        """The exit code of the container's first process; asked of the engine once its log has ended."""
        if self._exit_code is None and self._printing.poll() is not None:
            state = self._inspected()["State"]
            self._exit_code = None if state["Running"] else int(state["ExitCode"])
        return self._exit_code

    @property
    def ending(self) -> str:
        """How it ended, in words; an engine reports a signal as 128 plus its number."""
        code, ending = self.exit_code, super().ending
        if code is not None and code > 128:
            ending = f"exit code {code} (signal {code - 128})"
        return ending

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed it, or one of its processes, at the limit of its memory."""
        return bool(self.exit_code) and bool(self._inspected()["State"].get("OOMKilled"))

    @property
    def ended_at(self) -> datetime:
        """When it ended, by the engine's clock, which is the container's."""
        return datetime.fromisoformat(self._inspected()["State"]["FinishedAt"])

    def run_script(self, name: str) -> tuple[int, str]:
        """Run a script in a second container of the same image, on the CPU."""
        return run_script(self._isolation, self._image, name, "cpu", self._memory)

    def _inspected(self) -> dict[str, Any]:
        return run.describe(self._engine, self._name)

    def close(self) -> None:
        """Stop following the log."""
        process.kill(self._printing)


@contextlib.contextmanager
def serve(
    isolation: Isolation, image: Image, device: str, memory: str, user: int = USER, **variables: str
) -> Iterator[ContainerServer]:
    """Start an image as Vertex would, locked down; `variables` replace those of the contract."""
    name = f"seatrial-{isolation.trial}-{secrets.token_hex(4)}"
    accelerator = ACCELERATOR if device == "cuda" else {}
    env = {**CONTRACT, "AIP_HTTP_PORT": str(PORT), GIVES_BACK: "1", **accelerator, **variables}
    arguments = [*_arguments(isolation, device, memory, user, env), "--name", name, image.id]
    _done(isolation.engine, ["create", *arguments])
    began = time.monotonic()
    _done(isolation.engine, ["start", name])
    server = ContainerServer(isolation, name, image, memory, began, env)
    try:
        yield server
    finally:
        server.close()


def run_script(isolation: Isolation, image: Image, name: str, device: str, memory: str) -> tuple[int, str]:
    """Run a script of `inside` with the image's own Python, as isolated as the server."""
    text = (inside.FOLDER / name).read_text(encoding="utf-8")
    arguments = ["--entrypoint", image.python, *_arguments(isolation, device, memory, USER, {}), image.id]
    return isolation.engine.output(["run", *arguments, "-I", "-c", text], timeout=SCRIPT_TIMEOUT)


def _arguments(isolation: Isolation, device: str, memory: str, user: int, env: Mapping[str, str]) -> list[str]:
    """Return the options that every container of a trial is created with."""
    engine = isolation.engine
    return [
        *run.options(engine, f"{LABEL}={isolation.trial}", {**isolation.own, **env}, gpu=device == "cuda"),
        "--shm-size", str(isolation.shared_memory),
        "--network", isolation.network,
        # Looking up a name fails at once: an old docker's name server would ask the outside.
        "--dns", "127.0.0.1", "--dns-option", "timeout:1", "--dns-option", "attempts:1",
        *_READ_ONLY[engine.name],
        "--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777",  # noqa: S108 - a path of the container
        "--memory", memory, "--memory-swap", memory,
        "--user", f"{user}:{user}",
    ]  # fmt: skip
