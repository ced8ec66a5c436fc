"""The server process of a trial: started as Vertex starts it, asked over HTTP, stopped by SIGTERM.

It sees an empty working directory, a HOME of its own and no variable of the caller: nothing leads back to the
repository, and no certificate or proxy variable leads out.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import process
from seatrial.bundle import Bundle
from seatrial.kept import Copy

STOP_TIMEOUT = 30.0  # seconds after SIGTERM; Kubernetes' default grace period
ANSWER_TIMEOUT = 60.0  # seconds; what a shared public endpoint allows a prediction
_POLL = 0.02  # seconds between two health checks

# Names and forms as Vertex gives them; see "Custom container requirements for inference", table of variables.
_PORT_ENVIRONMENT = {
    "AIP_MODE": "PREDICTION",
    "AIP_MODE_VERSION": "1.0.0",
    "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/1",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/1:predict",
    "AIP_STORAGE_URI": "",
    "AIP_PROJECT_NUMBER": "1",
    "AIP_ENDPOINT_ID": "1",
    "AIP_MODEL_NAME": "1",
    "AIP_DEPLOYED_MODEL_ID": "1",
    "AIP_VERSION_NAME": "1",
    "AIP_MACHINE_TYPE": "n1-standard-4",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: the status and the JSON body, or the text where it is no JSON."""

    status: int
    body: Any


class Server:
    """A running server and what it has logged so far."""

    def __init__(self, running: subprocess.Popen[str], port: int, outside: Path) -> None:
        self._process = running
        self._port = port
        self._outside = outside
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - process.start() gives a pipe
        with contextlib.suppress(ValueError):  # closed under the reader when the group was killed
            self._lines.extend(line.rstrip("\n") for line in self._process.stdout)

    def wait_until_healthy(self, timeout: float) -> bool | None:
        """Wait for health 200. True: healthy; None: the process has ended; False: neither within `timeout` s."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                process.signal_group(self._process, signal.SIGKILL)  # a child that it left would hold the log open
                self._reader.join(5)
                return None
            left = max(_POLL, min(10, deadline - time.monotonic()))
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._ask("GET", _PORT_ENVIRONMENT["AIP_HEALTH_ROUTE"], None, timeout=left).status == 200:
                    return True
            time.sleep(_POLL)
        return False

    def predict(self, instances: list[Any]) -> Answer | None:
        """Send one predict request; None where the connection broke or no answer came in time."""
        body = json.dumps({"instances": instances}).encode()
        try:
            return self._ask("POST", _PORT_ENVIRONMENT["AIP_PREDICT_ROUTE"], body, timeout=ANSWER_TIMEOUT)
        except (OSError, http.client.HTTPException):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # a connection breaks a moment before the process can be reaped
            return None

    def _ask(self, method: str, route: str, body: bytes | None, timeout: float) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            connection.request(method, route, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(data) if data else None)
        except ValueError:
            return Answer(response.status, data.decode("utf-8", "replace"))

    def dump_and_kill(self) -> None:
        """Let a server that hangs print where each of its threads is, and end it."""
        self._process.send_signal(signal.SIGABRT)  # faulthandler answers it, even while C code holds the GIL
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3)
        process.signal_group(self._process, signal.SIGKILL)
        self._reader.join(2)

    def stop(self) -> int | None:
        """Send SIGTERM to the server; give its exit code, or None where it did not end in time."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._reader.join(1)

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs; negative for a signal."""
        return self._process.poll()

    @property
    def log(self) -> list[str]:
        """Everything printed so far, line by line."""
        return list(self._lines)

    def records(self, severity: str) -> list[dict[str, Any]]:
        """Give the structured log lines of a severity."""
        return [record for record in _parsed(self.log) if record.get("severity") == severity]

    def wait_for_record(self, severity: str, message: str, timeout: float = 5.0) -> dict[str, Any]:
        """Give the log record of a message; what the server did may be seen a moment before its line is read."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for record in self.records(severity):
                if record.get("message") == message:
                    return record
            time.sleep(_POLL)
        return {}

    def outside_connections(self) -> list[dict[str, str]]:
        """Give the attempts to reach the outside: `host`, and the `traceback` of the call."""
        return [noted for noted in self._noted() if "host" in noted]

    def children(self) -> list[str]:
        """Give the programs that the predictor started; what they reach is not watched."""
        return list(dict.fromkeys(str(noted["child"]) for noted in self._noted() if "child" in noted))

    def _noted(self) -> list[dict[str, str]]:
        return list(_parsed(self._outside.read_text(encoding="utf-8").splitlines()))


def _parsed(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


@contextlib.contextmanager
def serve(copy: Copy, bundle: Bundle, device: str) -> Iterator[Server]:
    """Start the runtime on a bundle in a trial's environment; the process and all its children end with the block."""
    home = copy.folder("served")
    shutil.copytree(bundle.path, home / "bundle", dirs_exist_ok=True)
    guard = Path(shutil.copy(Path(__file__).with_name("guard.py"), home))
    outside = home / "outside.jsonl"
    outside.touch()
    port = _free_port()
    running = process.start(
        [
            str(copy.python), "-I", str(guard), str(outside), str(os.getpid()),
            "seatrial.serving", "--bundle", str(home / "bundle/bundle.json"),
        ],
        env=served_environment(copy, device) | _PORT_ENVIRONMENT | {"AIP_HTTP_PORT": str(port)},
        cwd=copy.folder("work"),
    )  # fmt: skip
    try:
        yield Server(running, port, outside)
    finally:
        process.kill(running)


def served_environment(copy: Copy, device: str) -> dict[str, str]:
    """Give the variables of a process in the predictor's environment; `cpu` hides every GPU."""
    env = {
        "PATH": f"{copy.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(copy.folder("home")),
        "TMPDIR": str(copy.folder("tmp")),
        "LANG": "C.UTF-8",
    }
    if device == "cpu":
        return env | {"CUDA_VISIBLE_DEVICES": ""}
    passed = (
        "CUDA_VISIBLE_DEVICES",
        "LD_LIBRARY_PATH",
        "NVIDIA_VISIBLE_DEVICES",
    )  # where the driver's library lies
    env["AIP_ACCELERATOR_TYPE"] = "ACCELERATOR_TYPE_UNSPECIFIED"  # Vertex sets it on machines that have one
    return env | {name: os.environ[name] for name in passed if name in os.environ}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
