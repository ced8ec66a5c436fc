"""A connection: uvicorn's HTTP/1.1 protocol on httptools, held to what a public port needs beside it.

Headers have a deadline and a limit, a body's framing must not outweigh the body, and a client that has closed its
sending side still gets its answer. Nothing here knows what is served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, encode_error
from seatrial.serving.origin import origin_of

if TYPE_CHECKING:
    import asyncio

HEADER_SECONDS = 15.0  # from a request's first byte to the end of its headers
HEADER_BYTES = 65_536  # of one request; proxies allow 8 to 64 kB
KEEP_ALIVE_SECONDS = 620  # Google's front ends keep a connection for 600 s, and the server must not close it first
_FREE_PIECES = 1_000  # of a body, however small they are
_LEAST_PIECE = 64  # bytes a piece from there on, on average
_REFUSAL = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"x-request-id: %s\r\nconnection: close\r\n\r\n"
)
_ASK_AFTER, _ASK_AGAIN = 1.0, 0.5  # seconds from a client's end of input to the look whether it is still there

_refusals = log.Limited(10)  # lines a second


class _Joining:
    """A transport that sends the head of an answer with what follows it.

    uvicorn writes the head and the body apart. In two packets they wake the client twice.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Send data with what is held, or hold it until more comes or this turn of the loop ends."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self._held = data
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Close it behind what was written."""
        self._send()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes still wait to be sent."""
        return len(self._held) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; a connection on which nothing comes is closed like one that is kept alive."""
        super().connection_made(cast("asyncio.Transport", _Joining(transport, self.loop)))
        self._waiting: asyncio.TimerHandle | None = None
        self._in_headers = False
        self._header_bytes = self._pieces = self._body_bytes = 0
        self._ended = False  # the client sends no more
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._wait(None)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; refuse headers that are too long, and a body in crumbs."""
        if self.cycle is None or not self.cycle.more_body:  # between two requests
            self._begin_headers()
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self._in_headers and self._header_bytes > HEADER_BYTES:
            self.send_400_response(f"The headers are longer than {HEADER_BYTES} bytes.")
        elif self._pieces > _FREE_PIECES + self._body_bytes // _LEAST_PIECE:
            self.send_400_response("The body comes in too many chunks for its length.")

    def _begin_headers(self) -> None:
        if not self._in_headers:
            self._in_headers, self._header_bytes = True, 0
            self._wait(self.loop.call_later(HEADER_SECONDS, self._too_slow))

    def _too_slow(self) -> None:
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._in_headers = False
        self._wait(None)
        self._pieces = self._body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._pieces += 1
        self._body_bytes += len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, unless an answer is on its way; the connection is closed either way."""
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            origin, body = origin_of({}, ""), encode_error(AnswerError(400, msg))
            self.transport.write(_REFUSAL % (len(body), origin.request_id.encode()) + body)
            _refusals.write("INFO", msg, phase="http", **origin.fields())
        self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the answer to a request that came whole: its client may have closed only its side.

        A client that is gone looks the same. It is told apart by what comes back when something is sent to it: `100
        Continue`, which every client of HTTP/1.1 skips, only when the answer takes longer than a second.
        """
        self._ended = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        if cycle.scope["http_version"] == "1.1":
            self._wait(self.loop.call_later(_ASK_AFTER, self._ask, cycle))
        return True

    def _ask(self, cycle: Any) -> None:
        if self.transport.is_closing() or cycle.response_started:
            return
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wait(self.loop.call_later(_ASK_AGAIN, self._ask, cycle))

    def on_response_complete(self) -> None:
        """Close behind the last answer if the client has ended."""
        super().on_response_complete()
        if self._ended and not self.pipeline and not self.transport.is_closing():
            self.transport.close()

    def _wait(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace the timer that this connection waits for."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = timer
