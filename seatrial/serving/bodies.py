"""Reading the bodies of requests, within limits: of their bytes each and in all, and of the time that one takes."""

from __future__ import annotations

import asyncio
import sys
import zlib
from typing import TYPE_CHECKING

from seatrial.serving.refusal import AnswerError, BusyError

if TYPE_CHECKING:
    from seatrial.serving.exchange import Exchange

BODY_SECONDS = 30.0  # for a whole body; Vertex AI allows a request to a shared public endpoint 60 s in all
_BODIES = 32  # of the largest size may be held at a time; what they hold beyond that is refused
SHUTTING_DOWN = "the server is shutting down"


class BodyMissingError(AnswerError):
    """Refuses a request whose body is still on its way; its connection is closed."""


class Bodies:
    """The bodies that a server holds.

    Attributes:
        held: their bytes.
    """

    def __init__(self, most: int) -> None:
        self.held = 0
        self._most = most
        self._reading: set[_Reading] = set()

    def stop(self) -> None:
        """Refuse those that are still on their way."""
        for reading in self._reading:
            reading.end(BodyMissingError(503, SHUTTING_DOWN))

    async def read(self, exchange: Exchange, holding: Holding) -> bytes | None:
        """Read a body as it was sent; None if the client went away.

        Raises:
            AnswerError: status 408, 411 or 413.
            BusyError: status 503; too much is held, or the server is asked to stop.
        """
        reading = _Reading()
        late = BodyMissingError(408, f"the body was not complete after {BODY_SECONDS:.0f} s")
        timer = asyncio.get_running_loop().call_later(BODY_SECONDS, reading.end, late)
        self._reading.add(reading)
        try:
            return await self._read(exchange, holding)
        except asyncio.CancelledError:
            reading.ended()
            raise
        finally:
            timer.cancel()
            self._reading.discard(reading)

    async def _read(self, exchange: Exchange, holding: Holding) -> bytes | None:
        """Read the pieces; what a client still sends after its refusal, uvicorn discards."""
        headers = exchange.headers
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            raise AnswerError(411, "the request has neither Content-Length nor a chunked body")
        self._check(int(headers.get(b"content-length", b"0")))
        chunks: list[bytes] = []
        length = 0
        while True:
            message = await exchange.receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            length += len(chunks[-1])
            self._check(length)
            holding.add(len(chunks[-1]))
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check(self, length: int) -> None:
        if length > self._most:
            raise _too_large(self._most)

    async def unpacked(self, body: bytes, holding: Holding) -> bytes:
        """Unpack a gzipped body, of which no more than the limit is ever held.

        Raises:
            AnswerError: status 400 or 413.
        """
        unpacked = await asyncio.to_thread(_unpacked, body, self._most)
        holding.add(len(unpacked))
        return unpacked

    def hold(self, length: int) -> None:
        """Count bytes.

        Raises:
            BusyError: status 503; too many are held.
        """
        self.held += length
        if length > 0 and self.held > self._most * _BODIES:
            raise BusyError(503, "too many large requests at a time; ask again later")


class _Reading:
    """The task that reads a body, while it does: a refusal interrupts it."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._refusal: AnswerError | None = None

    def end(self, refusal: AnswerError) -> None:
        """Interrupt it."""
        assert self._task is not None  # noqa: S101 - bodies are read in tasks
        if self._refusal is None:
            self._refusal = refusal
            self._task.cancel()

    def ended(self) -> None:
        """Raise what it was interrupted with, if it was."""
        if self._refusal is None:
            return
        if sys.version_info >= (3, 11):
            assert self._task is not None  # noqa: S101
            self._task.uncancel()
        raise self._refusal from None


class Holding:
    """The bytes that one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._bytes = 0

    def add(self, length: int) -> None:
        """Hold more."""
        self._bytes += length
        self._bodies.hold(length)

    def end(self) -> None:
        """Hold nothing any more."""
        self._bodies.hold(-self._bytes)


def is_gzip(exchange: Exchange) -> bool:
    """Return whether a body is gzipped.

    Raises:
        AnswerError: status 415; it is encoded in another way.
    """
    encoding = exchange.text(b"content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise AnswerError(415, f"the content encoding is {encoding}; send the body plain or gzip")
    return encoding.endswith("gzip")


def _unpacked(body: bytes, limit: int) -> bytes:
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)  # 16: gzip's header
    try:
        unpacked = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise AnswerError(400, f"the body is not gzip: {error}") from None
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacking.eof or unpacking.unused_data:
        raise AnswerError(400, "the body is not one whole gzip stream")
    return unpacked


def _too_large(limit: int) -> AnswerError:
    return AnswerError(413, f"the body is larger than {limit} bytes, the limit (serving.max-body-bytes)")
