"""The HTTP side of the runtime, plain ASGI: health and predict, limits, and every error as JSON.

It answers health at any time, because nothing here blocks: only bodies are read here, everything else happens in the
threads of `seatrial.serving.interfaces`. It knows neither the socket nor the signals.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, encode_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from seatrial.serving.interfaces.adapter import Served
    from seatrial.serving.settings import Bundle, Contract

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 30.0  # for a whole body; Vertex AI allows a request to a shared public endpoint 60 s in all


class App:
    """The ASGI application. `served` is None until the predictor is loaded; `drain` refuses what is new."""

    def __init__(self, bundle: Bundle, contract: Contract) -> None:
        self.served: Served | None = None
        self._max_body = bundle.max_body_bytes
        self._health_route, self._predict_route = contract.health_route, contract.predict_route
        self._draining = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()

    async def drain(self, seconds: float) -> bool:
        """Refuse new predictions and wait for those in flight; return whether all of them ended in time.

        A request is in flight once its whole body has come: a client that stalls must not delay the end.
        """
        self._draining.set()
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
                log.write("ERROR", failure.message, phase="predict", **at, traceback=log.traceback_of(error))
            close = [(b"connection", b"close")] if isinstance(error, _BodyMissingError) else []
            await _respond(send, failure.status, encode_error(failure), *close)

    async def _health(self, send: Send) -> None:
        state = "draining" if self._draining.is_set() else "ready" if self.served else "loading"
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
        if self._draining.is_set():
            raise AnswerError(503, _SHUTTING_DOWN)
        if self.served is None:
            raise AnswerError(503, "the predictor is still loading")
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        answer = self.served.answer_image if _is_image(headers) else self.served.answer
        body = await self._body_in_time(headers, receive)
        if body is None:
            return
        self._in_flight += 1
        try:
            await _respond(send, 200, await answer(body))
        finally:
            self._in_flight -= 1
            if self._draining.is_set() and not self._in_flight:
                self._idle.set()

    async def _body_in_time(self, headers: dict[bytes, str], receive: Receive) -> bytes | None:
        """Read the body, unless it takes too long or the server is asked to stop meanwhile."""
        reading = asyncio.ensure_future(self._body(headers, receive))
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({reading, draining}, timeout=BODY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            if draining.done():
                raise _BodyMissingError(503, _SHUTTING_DOWN)
            raise _BodyMissingError(408, f"the body was not complete after {BODY_SECONDS:.0f} s")
        finally:
            reading.cancel()
            draining.cancel()

    async def _body(self, headers: dict[bytes, str], receive: Receive) -> bytes | None:
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
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _check_length(self, length: int) -> None:
        if length > self._max_body:
            raise AnswerError(413, f"the body is larger than the limit of {self._max_body} bytes")


_SHUTTING_DOWN = "the server is shutting down"


class _BodyMissingError(AnswerError):
    """Refuses a request whose body is still on its way; its connection is closed."""


def _is_image(headers: dict[bytes, str]) -> bool:
    kind = headers.get(b"content-type", "application/json").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/json" or kind.endswith("+json")):
        raise AnswerError(415, f"the content type is {kind}; send application/json, or one image as image/*")
    return kind.startswith("image/")


async def _respond(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
