"""One HTTP port for every REST API of the emulator: Vertex AI, Cloud Logging and `other_apis`.

`/seatrial/` is not an API of Google's: there the emulator reports its addresses and accepts faults.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from seatrial.emulator.api import refusals
from seatrial.emulator.api.control_plane import Caller
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.logs import Logs, QueryError
from seatrial.emulator.api.refusals import RefusedError
from seatrial.emulator.wire.other_apis import OtherApis
from seatrial.emulator.wire.relay import RESET
from seatrial.emulator.wire.transcoding import Rest, Result, refused

_LARGEST = 32 << 20  # bytes of a body: above every limit of Vertex, so that clients get Vertex's refusal


class Services:
    """Everything that answers at the port; sends each request to the right API."""

    def __init__(
        self, rest: Rest, logs: Logs, other_apis: OtherApis, faults: Faults, addresses: Callable[[], dict[str, str]]
    ) -> None:
        """`addresses` returns the answer to `GET /seatrial/emulator`."""
        self._rest, self._logs, self._other_apis, self._faults = rest, logs, other_apis, faults
        self._addresses = addresses

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes, caller: Caller) -> Result:
        """Answer a request; return status, headers and body."""
        parts = urlsplit(target)
        try:
            found = self._own(method, unquote(parts.path), parts.query, body)
        except RefusedError as error:
            return refused(error)
        if found is not None:
            return _json(found)
        return self._rest.answer(method, parts.path, parts.query, headers, body, caller)

    def _own(self, method: str, path: str, query: str, body: bytes) -> dict[str, Any] | None:
        """Return the answer to a request that is not for Vertex AI; None if it is.

        Raises:
            RefusedError: the request is refused.
        """
        if (method, path) == ("GET", "/seatrial/emulator"):
            return self._addresses()
        if path == "/seatrial/faults":
            return self._order(method, body)
        if (method, path) == ("POST", "/v2/entries:list"):
            return self._entries(_object(body))
        return self._other_apis.answer(method, path, parse_qs(query), lambda: _object(body))

    def _order(self, method: str, body: bytes) -> dict[str, Any]:
        """Add faults, or with DELETE remove them all."""
        if method == "DELETE":
            self._faults.clear()
            return {}
        try:
            return {"ordered": len(self._faults.from_json(body.decode()))}
        except (ValueError, TypeError) as error:
            raise RefusedError(refusals.INVALID_ARGUMENT, str(error)) from None

    def _entries(self, request: dict[str, Any]) -> dict[str, Any]:
        names = request.get("resourceNames") or [""]
        self._other_apis.require("logging", "logging.logEntries.list", str(names[0]))
        if self._faults.empty_logs:
            self._faults.mark("empty_logs")
            return {}
        try:
            return self._logs.answer(request)
        except QueryError as error:
            raise RefusedError(refusals.INVALID_ARGUMENT, str(error)) from None


class RestServer:
    """The running server."""

    def __init__(self, services: Services, port: int) -> None:
        """Listen on a port of 127.0.0.1, 0 for any.

        Raises:
            OSError: the port is taken.
        """
        self._server = _Server(("127.0.0.1", port), services)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop answering, without waiting for requests in progress."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], services: Services) -> None:
        self.services = services
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that went away; report everything else, which is a bug of the emulator."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Without these two a request over a persistent connection takes 44 ms instead of 1: Nagle and delayed ACK.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Print nothing."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PATCH = do_DELETE = do_PUT = do_GET  # noqa: N815 - the same

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        # A page in a browser can send requests to any port of this machine, and a deployment starts programs here.
        if "Origin" in self.headers or not _is_here(self.headers.get("Host", "")):
            self._write(*_json({"error": {"code": 403, "message": "Requests of web pages are refused."}}, 403))
        elif "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > _LARGEST:
            self.close_connection = True
            self._write(*_json({"error": {"code": 411, "message": "A Content-Length is needed."}}, 411))
        else:
            dropped = threading.Event()
            caller = Caller(waiting=self._is_waiting, drop=dropped.set)
            body = self.rfile.read(int(length))
            result = self.server.services.answer(self.command, self.path, dict(self.headers), body, caller)
            if dropped.is_set():
                self._reset()
            else:
                self._write(*result)

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _is_waiting(self) -> bool:
        """Return whether the client is still connected."""
        readable = select.select([self.connection], [], [], 0)[0]
        try:
            return not readable or self.connection.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def _reset(self) -> None:
        """Reset the connection instead of answering."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()


def _is_here(host: str) -> bool:
    return host.rpartition(":")[0] in ("127.0.0.1", "localhost")


def _json(content: dict[str, Any], status: int = 200) -> Result:
    return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(content).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError as error:
        raise RefusedError(refusals.INVALID_ARGUMENT, f"Invalid JSON payload received. {error}") from None
    if not isinstance(read, dict):
        raise RefusedError(refusals.INVALID_ARGUMENT, "Invalid JSON payload received. Root element must be a message.")
    return read
