"""Vertex's rules for starting, restarting and traffic, by default and by a version's own probes, on real processes."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api.hosting import HostingError
from seatrial.emulator.hosting import checks
from seatrial.emulator.hosting.checks import Probe
from seatrial.emulator.hosting.probes import Launch, Replica, Rules
from seatrial.errors import EnvironmentFaultError
from seatrial.system import process
from tests.emulator.served import until

DEAF = "import time; time.sleep(600)"
SERVES = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("asked", "a") as file:
            file.write(self.path + chr(10))
        self.send_response(200 if pathlib.Path("." + self.path).exists() else 503)
        self.send_header("Content-Length", "0"); self.end_headers()
    do_POST = do_GET
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
NO = HostingError(9, "")
PERIOD = 0.5  # seconds; four of them are enough for a program to start, also on a busy machine


class Program:
    """A Python program at a port, in a folder."""

    def __init__(self, text: str, port: int, folder: Path) -> None:
        self.address = ("127.0.0.1", port)
        self._folder = folder
        self._process = process.start([sys.executable, "-I", "-c", text, str(port)], env={}, cwd=folder)

    def reached(self, port: int) -> tuple[str, int]:
        return self.address if port == 8080 else ("127.0.0.1", port)

    def succeeds(self, command: Sequence[str], timeout: float) -> bool:
        with contextlib.suppress(EnvironmentFaultError):
            return process.output(command, env={}, cwd=self._folder, timeout=timeout)[0] == 0
        return False

    def ended(self, *, certain: bool = False) -> bool:  # noqa: ARG002 - a process is always seen at once
        return self._process.poll() is not None

    def end(self) -> None:
        process.kill(self._process)


class Watched:
    """A replica of some programs, one after the other, in a folder whose files are the routes that answer 200."""

    def __init__(self, folder: Path, programs: list[str], **probes: Probe) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        self.folder, self.started, self.said = folder, list[Program](), list[str]()

        @contextlib.contextmanager
        def room() -> Iterator[Launch]:
            def launch() -> Program:
                self.started.append(Program(programs[len(self.started)], port, folder))
                return self.started[-1]

            yield launch

        default = {"alive": checks.connects(PERIOD), "health": checks.answers("/health", PERIOD)}
        rest: dict[str, Any] = {**default, **probes, "exited": NO, "never_ready": NO}
        rules = Rules(predict_route="/predict", ready_timeout=30, period=PERIOD, **rest)
        self.replica = Replica(room(), rules, threading.Semaphore(), self.said.append)

    @property
    def asked(self) -> set[str]:
        file = self.folder / "asked"
        return set(file.read_text().splitlines()) if file.exists() else set()

    @property
    def serves(self) -> bool:
        try:
            return bool(self.replica.ask(b"", "", 5))
        except HostingError:
            return False


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    def begun(*programs: str, **probes: Probe) -> Watched:
        made = Watched(tmp_path, [*programs], **probes)
        begun_so_far.append(made)
        (tmp_path / "health").touch()
        made.replica.begin()
        return made

    begun_so_far: list[Watched] = []
    yield begun
    for each in begun_so_far:
        each.replica.stop()
        assert all(program.ended() for program in each.started)


def probe(name: str, **what: Any) -> Probe:
    """Return a version's probe, asked more often than its whole seconds allow."""
    return replace(checks.of(v1.Probe.pb(v1.Probe(**what)), name, 8080), period=0.1)


def test_a_server_that_refuses_four_connections_is_restarted_even_before_it_was_ever_ready(
    watch: Callable[..., Watched],
) -> None:
    watched = watch(DEAF, SERVES)
    watched.replica.wait_until_ready()
    assert watched.said == ["The model server refused 4 connections in a row; it is started again in 0.5 s"]
    assert watched.started[0].ended()


def test_nothing_else_is_asked_until_the_startup_probe_holds_and_one_that_fails_restarts(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    startup = probe("startup", exec_={"command": ["test", "-e", "warm"]}, failure_threshold=20)
    watched = watch(SERVES, SERVES, startup=startup)
    until(lambda: watched.said)
    assert watched.said == ["The model server failed its startup probe 20 times in a row; it is started again in 0.5 s"]
    assert (watched.asked, watched.serves) == (set(), False)
    (tmp_path / "warm").touch()
    watched.replica.wait_until_ready()
    assert watched.serves
    (tmp_path / "warm").unlink()  # it is asked no more
    until(lambda: watched.asked >= {"/health", "/predict"})
    assert (len(watched.said), len(watched.started)) == (1, 2)


def test_the_liveness_probe_of_a_version_decides_about_restarts_in_place_of_the_port(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    (tmp_path / "alive").touch()
    alive = probe("liveness", http_get={"path": "/alive", "port": 8080}, failure_threshold=2, timeout_seconds=5)
    watched = watch(SERVES, SERVES, alive=replace(alive, delay=2.0))  # until the program has started
    watched.replica.wait_until_ready()
    until(lambda: "/alive" in watched.asked)
    (tmp_path / "alive").unlink()
    until(lambda: len(watched.started) == 2)
    assert watched.said == ["The model server failed its liveness probe 2 times in a row; it is started again in 0.5 s"]


def test_the_health_probe_of_a_version_decides_about_traffic_and_restarts_nothing(
    watch: Callable[..., Watched], tmp_path: Path
) -> None:
    health = probe("health", exec_={"command": ["test", "-e", "ready"]}, success_threshold=2, failure_threshold=1)
    watched = watch(SERVES, health=health)
    until(lambda: watched.started)
    assert not watched.serves
    for _ in range(2):
        (tmp_path / "ready").touch()
        until(lambda: watched.serves)
        (tmp_path / "ready").unlink()
        until(lambda: not watched.serves)
    assert (watched.said, "/health" in watched.asked) == ([], False)


@pytest.mark.parametrize(
    ("what", "holds"),
    [
        ({"exec_": {"command": ["true"]}}, True),
        ({"exec_": {"command": ["false"]}}, False),
        ({"exec_": {"command": ["no-such-program"]}}, False),
        ({"exec_": {"command": ["sleep", "60"]}}, False),
        ({"tcp_socket": {"port": 8080}}, True),
        ({"tcp_socket": {}}, True),
        ({"tcp_socket": {"port": 1}}, False),
        ({"http_get": {"path": "/health", "port": 8080}}, True),
        ({"http_get": {"path": "/other", "port": 8080}}, False),
        ({"http_get": {"path": "/health", "port": 8080, "scheme": "HTTPS"}}, False),
        ({"http_get": {"path": "/health", "port": 8080, "host": "127.0.0.2"}}, False),
    ],
)
def test_a_probe_asks_what_the_version_says(
    watch: Callable[..., Watched], what: dict[str, Any], *, holds: bool
) -> None:
    watched = watch(SERVES)
    watched.replica.wait_until_ready()
    assert probe("health", **what).holds(watched.started[0]) is holds


def test_the_numbers_of_a_probe_are_the_versions_or_the_apis_and_a_grpc_probe_is_refused() -> None:
    command = {"exec_": {"command": ["true"]}}
    given = {
        "period_seconds": 7, "timeout_seconds": 2, "failure_threshold": 5, "success_threshold": 2,
        "initial_delay_seconds": 9,
    }  # fmt: skip

    def numbers(**what: Any) -> tuple[float, ...]:
        made = checks.of(v1.Probe.pb(v1.Probe(**what)), "health", 8080)
        return made.period, made.failures, made.successes, made.delay

    assert numbers(**command) == (10, 3, 1, 0)
    assert numbers(**command, **given) == (7, 5, 2, 9)
    with pytest.raises(HostingError, match="gRPC"):
        numbers(grpc={"port": 8080})
