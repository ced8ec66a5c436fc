"""What a connection is held to: headers end, bodies come in pieces of some size, half-closed clients are served.

The connection runs in this process on a small application, where its deadlines can be shortened.
"""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import json
import os
import socket
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import uvloop

from seatrial.serving import connections
from seatrial.serving.__main__ import listen

from .server import PATIENCE, served, wait_for
from .test_contract import MEAN

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
_DATA_SEGMENTS_IN = 152  # where tcp_info of linux/tcp.h has tcpi_data_segs_in
_PIDFD_GETFD = 438  # the same number on every architecture


class Application:
    """Answers once `go` is set; notes the disconnects that it sees."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0
        self.gone = 0

    async def __call__(self, _scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        self.asked += 1
        leaving = asyncio.ensure_future(receive())
        while not self.go.is_set() and not leaving.done():
            await asyncio.sleep(0.01)
        if leaving.done():
            self.gone += 1
            return
        leaving.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def running(application: Application) -> Iterator[int]:
    """Serve an application on connections of the runtime in a thread; yield the port."""
    listener = listen(0)
    config = uvicorn.Config(
        application, http=connections.Connection, loop="none", ws="none", lifespan="off", log_config=None,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def serve() -> None:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(server.serve(sockets=[listener]))
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        application.go.set()
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def asked(port: int, *pieces: bytes, end: bool = False) -> bytes:
    """Send pieces, perhaps close the sending side, and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        for piece in pieces:
            client.sendall(piece)
        if end:
            client.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while data := client.recv(65536):
                received += data
        except ConnectionResetError:
            pass  # it closed before it had read everything
        return received


def test_accepted_connections_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    with served(tmp_path, MEAN) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        wanted = client.getsockname()

        def of_the_server() -> list[int]:
            held, libc = os.pidfd_open(server.process.pid), ctypes.CDLL(None)
            found = []
            for file in Path(f"/proc/{server.process.pid}/fd").iterdir():
                number = libc.syscall(_PIDFD_GETFD, held, int(file.name), 0)
                if number < 0:
                    continue
                try:
                    with socket.socket(fileno=number) as theirs:
                        if theirs.family == socket.AF_INET and theirs.getpeername() == wanted:
                            found.append(theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                except OSError:
                    pass  # not a socket, or one that listens
            os.close(held)
            return found

        wait_for(lambda: bool(of_the_server()))
        assert of_the_server() == [1]


def test_an_answer_is_one_packet(tmp_path: Path) -> None:
    with served(tmp_path, MEAN) as server, socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        for answers in range(1, 4):
            client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            while b"\r\n\r\n{" not in received:
                received += client.recv(65536)
            told = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS_IN + 4)
            assert int.from_bytes(told[_DATA_SEGMENTS_IN:], sys.byteorder) == answers


def test_the_listener_is_known_to_be_tcp() -> None:
    with listen(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("begin", [b"POST", HEAD[:-2], HEAD + b"{}" + HEAD[:30]])
def test_headers_that_do_not_end_are_cut_off(monkeypatch: pytest.MonkeyPatch, begin: bytes) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    application = Application()
    application.go.set()
    with running(application) as port:
        received = asked(port, begin)
        assert received.count(b"HTTP/1.1 200") == begin.count(b"{}")
        assert application.asked == begin.count(b"{}")


def test_a_body_may_take_longer_than_its_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.05)
    application = Application()
    application.go.set()
    with running(application) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(HEAD + b"{")
        threading.Event().wait(0.2)
        client.sendall(b"}")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_headers_without_end_are_refused_by_their_length() -> None:
    with running(Application()) as port:
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(100))
        assert asked(port, HEAD[:-2], lines).startswith(b"HTTP/1.1 400")


def test_a_body_of_crumbs_is_refused_and_one_of_fair_chunks_is_taken() -> None:
    application = Application()
    application.go.set()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running(application) as port:
        assert asked(port, head, b"1\r\nx\r\n" * 3000).startswith(b"HTTP/1.1 400")
        fair = b"400\r\n" + b"x" * 1024 + b"\r\n"
        assert asked(port, head, fair * 3000, b"0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_client_that_closed_its_sending_side_is_answered() -> None:
    application = Application()
    application.go.set()
    with running(application) as port:
        assert asked(port, HEAD + b"{}", end=True).endswith(b"ok")
        assert asked(port, HEAD + b"{}" + HEAD + b"{}", end=True).count(b"HTTP/1.1 200") == 2
        assert asked(port, HEAD + b"{", end=True) == b""  # that request never came whole


def test_a_half_closed_client_that_waits_long_is_answered_and_one_that_is_gone_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "_ASK_AFTER", 0.05)
    monkeypatch.setattr(connections, "_ASK_AGAIN", 0.05)
    application = Application()
    with running(application) as port:
        gone = socket.create_connection(("127.0.0.1", port))
        gone.sendall(HEAD + b"{}")
        wait_for(lambda: application.asked == 1)
        waiting = socket.create_connection(("127.0.0.1", port), PATIENCE)
        waiting.sendall(HEAD + b"{}")
        waiting.shutdown(socket.SHUT_WR)
        wait_for(lambda: application.asked == 2)
        gone.close()
        wait_for(lambda: application.gone == 1)
        application.go.set()
        received = b"".join(iter(lambda: waiting.recv(1000), b""))
        waiting.close()
        assert received.startswith(b"HTTP/1.1 100 Continue")
        assert received.endswith(b"ok")
        assert application.gone == 1


def test_what_is_no_http_is_refused_as_everything_else_is_and_has_a_line(tmp_path: Path) -> None:
    with served(tmp_path, MEAN, serving={"workers": 1}) as server:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
            client.sendall(b"HELLO\r\n\r\n")
            response = http.client.HTTPResponse(client)
            response.begin()
            body = json.loads(response.read())
        assert (response.status, body["error"]["code"]) == (400, 400)
        wait_for(lambda: bool(server.log(request_id=response.headers["x-request-id"])))
        (line,) = server.log(phase="http")
        assert (line["severity"], line["message"]) == ("INFO", body["error"]["message"])
        assert not server.log(severity="WARNING")
