"""A server on trial: what every server is asked and how it logs, and the one that runs as a process of this machine.

The process is started as Vertex starts a container. It sees an empty working directory, a HOME of its own and no
variable of the caller, so that nothing leads back to the repository and no proxy variable leads out. `sealing` holds it
to what a slim image has.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from seatrial.bundle import Bundle
from seatrial.contract.variables import ACCELERATOR, CONTRACT
from seatrial.environment.store import Copy
from seatrial.errors import EnvironmentFaultError
from seatrial.serving.machine import GIVES_BACK
from seatrial.system import overheard, process
from seatrial.trial import inside
from seatrial.trial.inside.ask import ask
from seatrial.trial.inside.usage import Usage, measure
from seatrial.trial.sealing import launch, watching
from seatrial.trial.sealing.launch import Sealed
from seatrial.trial.sealing.view import HOST, SLIM, USER, Target, View
from seatrial.trial.sealing.watching import Noted

STOP_TIMEOUT = 30.0  # seconds after SIGTERM; Kubernetes' default grace period
ANSWER_TIMEOUT = 60.0  # seconds; what a shared public endpoint allows a prediction
SCRIPT_TIMEOUT = 120.0  # seconds; a first import of torch from a slow disk takes tens
_POLL = 0.02  # seconds between two looks at what a server does
_ASK_AGAIN = 0.25  # seconds to the next health check if nothing is printed: each one delays what it waits for
_PRINTING = 3.0  # seconds in which stacks are printed

Record = dict[str, Any]  # of a structured log


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: the status, the JSON body or its text if it is not JSON, and the size of the body in bytes."""

    status: int
    body: Any
    size: int = 0


class Server(ABC):
    """A running server and what it has logged so far."""

    requests_a_measurement: ClassVar[int] = 8  # where many are sent and what the server uses is measured meanwhile

    def __init__(self, printing: subprocess.Popen[str], began: float, contract: Mapping[str, str]) -> None:
        """Follow a server that was started.

        Args:
            printing: prints the log and ends with the server.
            began: the monotonic time of the start.
            contract: the variables of Vertex AI that it was started with.
        """
        self._printing = printing
        self.began = began
        self._contract = contract
        self._lines: list[str] = []
        self._lines_before = 0  # the last prediction was asked for
        self._printed = threading.Event()  # something, since it was last cleared
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._printing.stdout is not None  # noqa: S101 - process.start() gives a pipe
        with contextlib.suppress(ValueError):  # closed while it was read, because the group was killed
            for line in self._printing.stdout:
                self._lines.append(line.rstrip("\n"))
                self._printed.set()
                overheard.pass_on(line)
        self._printed.set()  # the end, which is news too

    def wait_until_healthy(self, timeout: float) -> bool | None:
        """Wait for health 200. True: healthy; None: the server has ended; False: neither within `timeout` s."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.exit_code is not None:
                self.end()
                return None
            self._printed.clear()
            left = max(_POLL, min(10, deadline - time.monotonic()))
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._ask("GET", self.health_route, b"", timeout=left)[0] == 200:
                    return True
            self._printed.wait(_ASK_AGAIN)  # the runtime prints that it is ready
            time.sleep(_POLL)
        return False

    def predict(self, instances: list[Any], parameters: Any = None) -> Answer | None:
        """Send one predict request; None if the connection broke or no answer came in time."""
        beside = {} if parameters is None else {"parameters": parameters}
        body = json.dumps({"instances": instances, **beside}).encode()
        self._lines_before = len(self._lines)
        try:
            status, data = self._ask("POST", self.predict_route, body, timeout=ANSWER_TIMEOUT)
        except (OSError, http.client.HTTPException):
            self.wait_for_end(1)  # the connection breaks a moment before the server is seen to have ended
            return None
        try:
            return Answer(status, json.loads(data) if data else None, len(data))
        except ValueError:
            return Answer(status, data.decode("utf-8", "replace"), len(data))

    @property
    def health_route(self) -> str:
        """The path of the health route."""
        return self._contract["AIP_HEALTH_ROUTE"]

    @property
    def predict_route(self) -> str:
        """The path of the predict route."""
        return self._contract["AIP_PREDICT_ROUTE"]

    @property
    def log(self) -> list[str]:
        """Everything printed so far, line by line."""
        return list(self._lines)

    def records(self, severity: str) -> list[Record]:
        """Return the structured log lines of a severity."""
        return [record for record in _parsed(self.log) if record.get("severity") == severity]

    def failures(self) -> list[Record]:
        """Return what the log says of failed loads, and of first predictions that failed."""
        return [record for record in self.records("CRITICAL") if record.get("phase") in ("load", "warm-up")]

    def wait_for_record(self, severity: str, timeout: float = 5.0, *, first_line: int = 0, **fields: str) -> Record:
        """Return the log record with these fields, from `first_line` on; {} if none comes within `timeout` seconds.

        A line may be read a moment after the server has acted.
        """
        deadline = time.monotonic() + timeout
        while True:
            for record in _parsed(self._lines[first_line:]):
                if record.get("severity") == severity and fields.items() <= record.items():
                    return record
            if time.monotonic() > deadline:
                return {}
            time.sleep(_POLL)

    def logged_failure(self) -> Record:
        """Return the record of the prediction that failed last; {} if the server does not log as our runtime does."""
        return self.wait_for_record("ERROR", 2.0, first_line=self._lines_before, phase="predict")

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        worker = [record["ending"] for record in self.records("CRITICAL") if record.get("phase") == "worker"]
        if worker:
            return str(worker[-1])  # the server ends because one of its processes has
        code = self.exit_code
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether it was killed because it needed more memory than it was given; a process is given no limit."""
        return False

    def noted(self) -> list[Noted]:
        """Return what the predictor tried besides answering, if it is watched."""
        return []

    @property
    def view(self) -> View | None:
        """What the server sees of this machine; None if that is an image's own business."""
        return None

    def host(self) -> str:
        """Return the name of the machine that the server sees; "" if it is this machine's own."""
        return ""

    def unsealed(self) -> list[str]:
        """Return what of this machine the server can still see or reach, in words."""
        return []

    def usage(self) -> Usage:
        """Return what the server and the processes that it started use now; {} if that cannot be read."""
        return {}

    def stack(self) -> list[str]:
        """Return where each thread of a server is that goes on; [] if it cannot be asked."""
        return []

    def dump_and_end(self) -> None:
        """Make a server that hangs print where each of its threads is, and end it."""
        self._signal(signal.SIGABRT)  # faulthandler handles it, even while C code holds the GIL
        self.wait_for_end(3)
        self.end()

    def stop(self) -> int | None:
        """Send SIGTERM to the server; return its exit code, or None if it did not end in time."""
        self.terminate()
        return self.wait_for_end(STOP_TIMEOUT)

    def terminate(self) -> None:
        """Send SIGTERM to the server."""
        self._signal(signal.SIGTERM)

    def unreachable(self) -> str | None:
        """Return why no raw connection to it can be opened; None if it can."""
        return None

    @abstractmethod
    def connect(self, timeout: float) -> socket.socket:
        """Open a connection to its port; raise OSError if there is none within `timeout` seconds."""

    @abstractmethod
    def _ask(self, method: str, route: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        """Send one request; raise OSError or HTTPException if no answer comes."""

    @abstractmethod
    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's own process."""

    @abstractmethod
    def wait_for_end(self, timeout: float) -> int | None:
        """Wait until the server has ended and return its exit code; None if it still runs after `timeout` seconds."""

    @abstractmethod
    def end(self) -> None:
        """End everything that still runs, at once, and read its log to the end."""

    @property
    @abstractmethod
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs; negative for a signal."""

    @abstractmethod
    def run_script(self, name: str) -> tuple[int, str]:
        """Run a script of `inside` in the same environment; return its exit code and all that it printed."""


class ProcessServer(Server):
    """A server that runs as a process of this machine, in a trial's copy of the environment."""

    def __init__(self, sealed: Sealed, record: Path, copy: Copy, contract: Mapping[str, str], target: Target) -> None:
        super().__init__(sealed.running, sealed.began, contract)
        self._sealed = sealed
        self._process = sealed.running
        self._record = record
        self._copy = copy
        self._target = target

    def _ask(self, method: str, route: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        return ask("127.0.0.1", self._sealed.port, method, route, body, timeout, self._sealed.connect(timeout))

    def connect(self, timeout: float) -> socket.socket:
        """Open a connection, in the server's own network."""
        return self._sealed.connect(timeout)

    def _signal(self, number: signal.Signals) -> None:
        self._sealed.find_children()  # those that have left its session are nobody's when it has ended
        self._process.send_signal(number)  # to the process itself, not to what it started

    def wait_for_end(self, timeout: float) -> int | None:
        """Wait for the process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return self.exit_code

    def end(self) -> None:
        """End the process and what it started, which would hold the log open."""
        process.signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._reader.join(5)

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process."""
        return self._process.poll()

    def noted(self) -> list[Noted]:
        """Return what the guard has noted."""
        return watching.read(self._record)

    @property
    def view(self) -> View | None:
        """What the process sees of this machine."""
        return self._sealed.view

    def host(self) -> str:
        """Return the name that the seal gives the machine."""
        return self._sealed.host

    def unsealed(self) -> list[str]:
        """Return what the seal does not hold."""
        return self._sealed.unsealed()

    def stack(self) -> list[str]:
        """Make the runtime print its stacks, and return them."""
        first = len(self._lines)
        self._signal(signal.SIGUSR1)
        deadline, seen = time.monotonic() + _PRINTING, -1
        while time.monotonic() < deadline and (len(self._lines) == first or len(self._lines) != seen):
            seen = len(self._lines)
            time.sleep(_ASK_AGAIN)
        return self.log[first:]

    def usage(self) -> Usage:
        """Return what the process and its descendants use."""
        folders = [str(self._copy.folder(name)) for name in ("tmp", "home", "work")]
        if self._sealed.way == "namespaces":
            folders.append(f"/proc/{self._process.pid}/root/dev/shm")
        return measure(self._process.pid, folders)

    def run_script(self, name: str) -> tuple[int, str]:
        """Run a script in the copy, on the CPU."""
        return run_script(self._copy, name, "cpu", self._target)


def _parsed(lines: list[str]) -> Iterator[Record]:
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server is started with besides its own files.

    Attributes:
        contract: the variables of Vertex AI.
        variables: others, which replace those of the trial.
        before: a program with arguments that starts the server.
        umask: of its process; -1 leaves the caller's.
        home: the permissions of its home.
        user: the number of its user, where the machine permits another than the caller's.
        host: the name of its machine, where this machine permits another than its own.
        without: variables of the trial that it does not get.
        backwards: whether Python lists the files of folders in the reverse of their order, which is nobody's promise.
    """

    contract: Mapping[str, str] = field(default_factory=lambda: CONTRACT)
    variables: Mapping[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    umask: int = -1
    home: int = 0o755
    user: int = USER
    host: str = HOST
    without: tuple[str, ...] = ()
    backwards: bool = False


USUAL = Surroundings()


@contextlib.contextmanager
def serve(
    copy: Copy,
    bundle: Bundle,
    device: str,
    target: Target = SLIM,
    surroundings: Surroundings = USUAL,
) -> Iterator[ProcessServer]:
    """Start the runtime on a bundle in a trial's environment; the process and all its children end with the block.

    `target` is the image that it is tried for.
    """
    served = copy.folder("served")
    shutil.copytree(bundle.path, served / "bundle", dirs_exist_ok=True)
    record = watching.install(copy, bundle.predictor_wheel, backwards=surroundings.backwards)
    copy.folder("home").chmod(surroundings.home)
    contract = surroundings.contract
    usual = {name: text for name, text in _on_trial(copy, device, target).items() if name not in surroundings.without}
    sealed = launch.start(
        copy,
        [
            str(copy.python),
            "-I",
            "-m",
            "seatrial.serving",
            "--bundle",
            str(served / "bundle/bundle.json"),
            "--work",
            str(copy.folder("work")),
        ],
        env={**usual, **surroundings.variables, **contract},
        device=device,
        target=target,
        before=surroundings.before,
        umask=surroundings.umask,
        user=surroundings.user,
        host=surroundings.host,
    )
    try:
        yield ProcessServer(sealed, record, copy, contract, target)
    finally:
        sealed.close()
        copy.folder("home").chmod(USUAL.home)


def run_script(copy: Copy, name: str, device: str, target: Target = SLIM) -> tuple[int, str]:
    """Run a script of `inside` in the predictor's environment, sealed as the server is; return code and output."""
    script = shutil.copy(inside.FOLDER / name, str(copy.folder("served")))
    command, env = [str(copy.python), "-I", script], _on_trial(copy, device, target)
    sealed = launch.start(copy, command, env=env, device=device, target=target)
    try:
        printed, _ = sealed.running.communicate(timeout=SCRIPT_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise EnvironmentFaultError(f"{name} did not end within {SCRIPT_TIMEOUT:g} s") from None
    finally:
        sealed.close()
    return sealed.running.returncode, printed


def served_environment(copy: Copy, device: str, target: Target = SLIM) -> dict[str, str]:
    """Return the variables that a process of the predictor sees besides Vertex's; `cpu` hides every GPU."""
    env = target.variables | {
        "PATH": f"{copy.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(copy.folder("home")),
        "TMPDIR": str(copy.folder("tmp")),
    }
    if device == "cpu":
        return env | {"CUDA_VISIBLE_DEVICES": ""}
    passed = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES")  # where the driver's library lies
    return env | {name: os.environ[name] for name in passed if name in os.environ}


def _on_trial(copy: Copy, device: str, target: Target) -> dict[str, str]:
    accelerator = ACCELERATOR if device == "cuda" else {}
    return served_environment(copy, device, target) | accelerator | {GIVES_BACK: "1"}
