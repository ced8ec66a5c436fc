"""A server that runs but accepts no connections: Vertex's liveness rule, on a real process."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator

from seatrial.emulator.api.hosting import HostingError
from seatrial.emulator.hosting.probes import Launch, Replica, Rules
from seatrial.system import process

DEAF = "import time; time.sleep(600)"
SERVES = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Program:
    """A Python program at a port."""

    def __init__(self, text: str, port: int) -> None:
        self.address = ("127.0.0.1", port)
        self._process = process.start([sys.executable, "-I", "-c", text, str(port)], env={})

    def ended(self, *, certain: bool = False) -> bool:  # noqa: ARG002 - a process is always seen at once
        return self._process.poll() is not None

    def end(self) -> None:
        process.kill(self._process)


def test_a_server_that_refuses_four_connections_is_restarted_even_before_it_was_ever_ready() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = iter([DEAF, SERVES])
    started: list[Program] = []

    @contextlib.contextmanager
    def room() -> Iterator[Launch]:
        def launch() -> Program:
            started.append(Program(next(programs), port))
            return started[-1]

        yield launch

    said: list[str] = []
    no = HostingError(9, "")
    # Four periods: also on a busy machine enough for the second program to start.
    rules = Rules("/health", "/predict", ready_timeout=30, exited=no, never_ready=no, period=0.5)
    replica = Replica(room(), rules, threading.Semaphore(), said.append)
    replica.begin()
    try:
        replica.wait_until_ready()
        assert said == ["The model server refused 4 connections in a row; it is started again in 0.5 s"]
        assert started[0].ended()
    finally:
        replica.stop()
    assert started[1].ended()
