"""A server that runs: started as in a container, asked until it answers, and ended with all its processes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving import machine
from benchmarks.serving.prepare import Workshop
from benchmarks.serving.servers import FOLDER, Kind, Server
from seatrial.contract.variables import CONTRACT

START_TIMEOUT = 180.0  # seconds; a first start compiles what it imports
STOP_TIMEOUT = 15.0
ORPHANS_TIMEOUT = 0.5  # seconds in which processes may end by themselves after the first one
SETTLE_TIMEOUT = 20.0
IDLE = 0.05  # cores that an idle server may use


class StartError(RuntimeError):
    """A server did not start, or answered wrongly."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        number: its first process.
        url: where predictions are asked.
        healthy: seconds from its start until health was 200.
        answered: seconds from its start until it had answered a prediction.
        answer: that answer: the best classes and their scores.
    """

    number: int
    url: str
    healthy: float
    answered: float
    answer: Mapping[str, Any]

    def settle(self) -> None:
        """Wait until it computes nothing more, such as answers for clients that have left."""
        deadline = time.monotonic() + SETTLE_TIMEOUT
        while time.monotonic() < deadline:
            before, began = machine.worked(self.number), time.monotonic()
            time.sleep(0.3)
            if machine.worked(self.number) - before < IDLE * (time.monotonic() - began):
                return


@contextlib.contextmanager
def running(server: Server, model: str, settings: Mapping[str, str], workshop: Workshop) -> Iterator[Running]:
    """Run a server until the block ends.

    Raises:
        StartError: it ended, or did not answer in time.
    """
    work = workshop.folder / "run"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("home", "tmp", "work"):
        (work / name).mkdir(parents=True)
    port = _free_port()
    variables = _variables(server, model, settings, workshop, work) | {"AIP_HTTP_PORT": str(port)}
    began = time.monotonic()
    with (work / "log.txt").open("wb") as log:
        started = subprocess.Popen(
            _command(server, model, workshop, work),
            env=variables, cwd=work / "work", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        healthy = _until(started, began, work, lambda: _status(port, server.health) == 200)
        body = workshop.body.read_bytes()
        answers: list[Any] = []
        answered = _until(started, began, work, lambda: _asked(port, server.predict, body, answers), 0.05)
        url = f"http://127.0.0.1:{port}{server.predict}"
        yield Running(started.pid, url, healthy, answered, _first(answers[0]))
    finally:
        end(started)


def end(started: subprocess.Popen[Any]) -> None:
    """End a server as a platform does, and kill what is left of its processes."""
    known = set(machine.tree(started.pid))  # also those in a session of their own, whose parent may end first
    for number in (signal.SIGTERM, signal.SIGKILL):
        for each in [started.pid] if number is signal.SIGTERM else known:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)
        deadline = time.monotonic() + STOP_TIMEOUT
        while time.monotonic() < deadline:
            known |= set(machine.tree(started.pid))
            if all(_state(each) == "Z" for each in known):
                started.wait(STOP_TIMEOUT)
                return
            if started.poll() is not None:  # nobody asks the others to end any more
                deadline = min(deadline, time.monotonic() + ORPHANS_TIMEOUT)
            time.sleep(0.05)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two answers are the same but for the order of sums."""
    scores = zip(one["scores"], other["scores"], strict=True)
    return bool(one["labels"] == other["labels"]) and all(abs(a - b) <= 1e-4 * b for a, b in scores)


def _state(number: int) -> str:
    """Return the state of a process; of one that is gone, that of one that has ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _command(server: Server, model: str, workshop: Workshop, work: Path) -> list[str]:
    python = str(workshop.python(server))
    if server.kind is Kind.PEER:
        return [python, str(FOLDER / server.folder / "server.py")]
    bundle = str(workshop.bundle(server, model) / "bundle.json")  # as the image's entry point does
    return [python, "-I", "-m", "seatrial.serving", "--bundle", bundle, "--work", str(work / "work")]


def _variables(
    server: Server, model: str, settings: Mapping[str, str], workshop: Workshop, work: Path
) -> dict[str, str]:
    """Return all that a server sees: nothing of this process's environment but where programs are."""
    python = workshop.python(server)
    variables = {
        "PATH": f"{python.parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(work / "home"),
        "TMPDIR": str(work / "tmp"),
        "LANG": "C.UTF-8",
        **CONTRACT,
        **settings,
    }
    if server.kind is Kind.PEER:
        variables |= {
            "AIP_STORAGE_URI": str(workshop.model(model)),
            "PYTHONPATH": os.pathsep.join([str(FOLDER), str(FOLDER / server.folder)]),
            "WORK": str(work / "work"),
            "ARCHIVES": str(workshop.folder / "archives" / model),
            "BENTOML_DO_NOT_TRACK": "True",
        }
    return variables


def _until(
    started: subprocess.Popen[Any], began: float, work: Path, true: Callable[[], bool], poll: float = 0.01
) -> float:
    """Wait until a question is answered with yes, and return the seconds since the start."""
    while not true():
        if started.poll() is not None or time.monotonic() - began > START_TIMEOUT:
            log = (work / "log.txt").read_text(encoding="utf-8", errors="replace")
            raise StartError(f"it did not start ({started.poll()}):\n{log[-2000:]}")
        time.sleep(poll)
    return time.monotonic() - began


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _asked(port: int, path: str, body: bytes, answers: list[Any]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    if answer.status != 200:
        return False
    answers.append(json.loads(content))
    return True


def _first(answer: Any) -> Mapping[str, Any]:
    """Return the first prediction of an answer, which may be a bare list."""
    predictions = answer["predictions"] if isinstance(answer, dict) else answer
    first: Mapping[str, Any] = predictions[0]
    return first


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
