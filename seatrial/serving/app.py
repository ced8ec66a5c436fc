"""The HTTP face of the runtime, plain ASGI: health and predict, limits, and every error as JSON.

It answers health at any time, because nothing here blocks: bodies are read here, all else happens in the
threads of `seatrial.serving.predictors`. It knows neither the socket nor the signals.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, encode_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from seatrial.serving.predictors import Served
    from seatrial.serving.settings import Bundle, Contract

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


class App:
    """The ASGI application. `served` is None until the predictor is loaded; `drain` refuses what is new."""

    def __init__(self, bundle: Bundle, contract: Contract) -> None:
        self.served: Served | None = None
        self._max_body = bundle.max_body_bytes
        self._health_route, self._predict_route = contract.health_route, contract.predict_route
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()

    async def drain(self, seconds: float) -> bool:
        """Refuse new predictions, wait for those in flight; tell whether all of them ended in time."""
        self._draining = True
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
        except AnswerError as error:
            await _respond(send, error.status, encode_error(error))

    async def _health(self, send: Send) -> None:
        state = "draining" if self._draining else "ready" if self.served else "loading"
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
            raise AnswerError(503, "the server is shutting down")
        if self.served is None:
            raise AnswerError(503, "the predictor is still loading")
        self._in_flight += 1
        try:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            is_image = _is_image(headers)
            body = await self._body(headers, receive)
            if body is not None:
                answer = self.served.answer_image if is_image else self.served.answer
                await _respond(send, 200, await answer(body))
        except AnswerError as error:
            if error.status == 500:
                at = {} if error.instance is None else {"instance": error.instance}
                log.write("ERROR", error.message, phase="predict", **at, traceback=log.traceback_of(error))
            raise
        finally:
            self._in_flight -= 1
            if self._draining and not self._in_flight:
                self._idle.set()

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


def _is_image(headers: dict[bytes, str]) -> bool:
    kind = headers.get(b"content-type", "application/json").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/json" or kind.endswith("+json")):
        raise AnswerError(415, f"the content type is {kind}; send application/json, or one image as image/*")
    return kind.startswith("image/")


async def _respond(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
