"""The HTTP side of the runtime, plain ASGI: health and predict, limits, and every error as JSON.

It answers health at any time, because nothing here blocks: bodies are read and cut into instances here, everything
else happens in the workers. It knows neither the socket nor the signals nor the processes.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, encode_error, slices
from seatrial.serving.dispatch import BusyError, FailedError, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from seatrial.serving.dispatch import Dispatch
    from seatrial.serving.frames import Ready
    from seatrial.serving.settings import Bundle, Contract

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Header = tuple[bytes, bytes]

BODY_SECONDS = 30.0  # for a whole body; Vertex AI allows a request to a shared public endpoint 60 s in all
_BODIES = 32  # of the largest size may be held at a time; what they hold beyond that is refused
_RETRY_AFTER = b"1"  # seconds
_LARGE = 1_000_000  # bytes of a body that is cut off the event loop


class App:
    """The ASGI application. `served` is None until every worker is ready; `drain` refuses what is new."""

    def __init__(self, bundle: Bundle, contract: Contract, dispatch: Dispatch) -> None:
        self.served: Ready | None = None
        self.failed = False  # a worker has ended
        self._dispatch = dispatch
        self._bundle = bundle
        self._health_route, self._predict_route = contract.health_route, contract.predict_route
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._reading: set[asyncio.Task[Any]] = set()
        self._held = 0  # bytes of bodies

    async def drain(self, seconds: float) -> bool:
        """Refuse new predictions and wait for those in flight; return whether all of them ended in time.

        A request is in flight once its whole body has come: a client that stalls must not delay the end.
        """
        self._draining = True
        for task in self._reading:
            task.cancel()
        if self._in_flight:
            await asyncio.wait({asyncio.ensure_future(self._idle.wait())}, timeout=seconds)
        return not self._in_flight

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["path"] == self._health_route and scope["method"] in ("GET", "HEAD"):
                await self._health(send)
            elif scope["path"] == self._predict_route and scope["method"] == "POST":
                await self._predict(scope, receive, send)
            else:
                await self._refuse(scope, send)
        except Exception as error:  # noqa: BLE001 - what was not foreseen is answered and logged like the rest
            failure = error if isinstance(error, AnswerError) else AnswerError(500, log.text_of(error))
            if failure.status == 500:
                at = {} if failure.instance is None else {"instance": failure.instance}
                traceback = error.traceback if isinstance(error, FailedError) else log.traceback_of(error)
                log.write("ERROR", failure.message, phase="predict", **at, traceback=traceback)
            await _respond(send, failure.status, encode_error(failure), *_headers_of(error))

    async def _health(self, send: Send) -> None:
        state = "failed" if self.failed else "ready" if self.served else "loading"
        state = "draining" if self._draining else state
        await _respond(send, 200 if state == "ready" else 503, json.dumps({"status": state}).encode())

    async def _refuse(self, scope: Message, send: Send) -> None:
        path = scope["path"]
        allowed = {self._health_route: "GET, HEAD", self._predict_route: "POST"}.get(path)
        if allowed is None:
            known = f"{self._health_route} and {self._predict_route}"
            raise AnswerError(404, f"no route {path}; there are {known}")
        error = AnswerError(405, f"{path} answers {allowed}, not {scope['method']}")
        await _respond(send, 405, encode_error(error), (b"allow", allowed.encode()))

    async def _predict(self, scope: Message, receive: Receive, send: Send) -> None:
        if self._draining:
            raise AnswerError(503, _SHUTTING_DOWN)
        if self.served is None or self.failed:
            raise AnswerError(503, _ENDED if self.failed else "the predictor is still loading")
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        is_image = _is_image(headers)
        if is_image and self.served.no_image:
            raise AnswerError(415, self.served.no_image)
        packed = _is_gzip(headers)
        holding = _Holding(self)
        try:
            body = await self._body_in_time(headers, receive, holding)
            if body is None:
                return
            self._in_flight += 1
            try:
                if packed:
                    body = await asyncio.to_thread(_unpacked, body, self._bundle.max_body_bytes)
                    holding.add(len(body))
                await self._answer(body, receive, send, is_image=is_image)
            finally:
                self._in_flight -= 1
                if self._draining and not self._in_flight:
                    self._idle.set()
        finally:
            holding.end()

    async def _answer(self, body: bytes, receive: Receive, send: Send, *, is_image: bool) -> None:
        """Let the workers answer a body."""
        assert self.served is not None  # noqa: S101 - nothing is read before
        if not self.served.splits:
            found = await self._found(self._dispatch.submit([body]), receive)
            if found is not None:
                await _respond(send, 200, found[0])
            return
        parameters = b""
        instances = [body]
        if not is_image:
            cut = slices(body) if len(body) < _LARGE else await asyncio.to_thread(slices, body)
            instances, parameters = cut.instances, cut.parameters
        most = self._bundle.max_instances
        if len(instances) > most:
            raise AnswerError(413, f"the request has {len(instances)} instances; the limit is {most}")
        found = []
        if instances:
            found = await self._found(self._dispatch.submit(instances, parameters, is_image=is_image), receive)
        if found is not None:
            await _respond(send, 200, b'{"predictions":[%s]}' % b",".join(found))

    async def _found(self, request: Request, receive: Receive) -> list[bytes] | None:
        """Wait for an answer; None if the client went away. What nobody waits for is not computed."""
        leaving = asyncio.ensure_future(receive())
        try:
            seconds = self._bundle.request_timeout
            either: set[asyncio.Future[Any]] = {request.answer, leaving}
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if request.answer.done():
                return request.answer.result()
            if leaving.done():
                return None
            raise AnswerError(504, f"there is no answer after {seconds:g} s")
        finally:
            leaving.cancel()
            self._dispatch.withdraw(request)

    async def _body_in_time(self, headers: dict[bytes, str], receive: Receive, holding: _Holding) -> bytes | None:
        """Read the body, unless it takes too long or the server is asked to stop meanwhile."""
        reading = asyncio.ensure_future(self._body(headers, receive, holding))
        self._reading.add(reading)
        try:
            await asyncio.wait({reading}, timeout=BODY_SECONDS)
            if not reading.done():
                raise _BodyMissingError(408, f"the body was not complete after {BODY_SECONDS:.0f} s")
            if reading.cancelled():
                raise _BodyMissingError(503, _SHUTTING_DOWN)
            return reading.result()
        finally:
            self._reading.discard(reading)
            reading.cancel()

    async def _body(self, headers: dict[bytes, str], receive: Receive, holding: _Holding) -> bytes | None:
        """Read the body; None when the client went away.

        What a client still sends after its refusal, uvicorn discards.
        """
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            raise AnswerError(411, "the request has neither Content-Length nor a chunked body")
        self._check_length(int(headers.get(b"content-length", "0")))
        chunks: list[bytes] = []
        length = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            length += len(chunks[-1])
            self._check_length(length)
            holding.add(len(chunks[-1]))
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check_length(self, length: int) -> None:
        if length > self._bundle.max_body_bytes:
            raise _too_large(self._bundle.max_body_bytes)

    def hold(self, length: int) -> None:
        """Count bytes of bodies that are held.

        Raises:
            BusyError: status 503; too many are held.
        """
        self._held += length
        if length > 0 and self._held > self._bundle.max_body_bytes * _BODIES:
            raise BusyError(503, "too many large requests at a time; ask again later")


_SHUTTING_DOWN = "the server is shutting down"
_ENDED = "a process of the server has ended, and the server ends"


class _Holding:
    """The bytes that one request holds."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._bytes = 0

    def add(self, length: int) -> None:
        self._bytes += length
        self._app.hold(length)

    def end(self) -> None:
        self._app.hold(-self._bytes)


class _BodyMissingError(AnswerError):
    """Refuses a request whose body is still on its way; its connection is closed."""


def ended() -> AnswerError:
    """Return what requests are answered whose worker has ended."""
    return AnswerError(503, _ENDED)


def _headers_of(error: Exception) -> list[Header]:
    headers: list[Header] = [(b"connection", b"close")] if isinstance(error, _BodyMissingError) else []
    if isinstance(error, AnswerError) and error.status == 503:
        headers.append((b"retry-after", _RETRY_AFTER))
    return headers


def _is_image(headers: dict[bytes, str]) -> bool:
    kind = headers.get(b"content-type", "application/json").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/json" or kind.endswith("+json")):
        raise AnswerError(415, f"the content type is {kind}; send application/json, or one image as image/*")
    return kind.startswith("image/")


def _too_large(limit: int) -> AnswerError:
    return AnswerError(413, f"the body is larger than the limit of {limit} bytes")


def _is_gzip(headers: dict[bytes, str]) -> bool:
    encoding = headers.get(b"content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise AnswerError(415, f"the content encoding is {encoding}; send the body plain or gzip")
    return encoding.endswith("gzip")


def _unpacked(body: bytes, limit: int) -> bytes:
    """Unpack a body, of which no more than the limit is ever held."""
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


async def _respond(send: Send, status: int, body: bytes, *more: Header) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
