"""The HTTP side of the runtime, plain ASGI: health and predict, limits, and every error as JSON.

It answers health at any time, because nothing here blocks: bodies are read and cut into instances here, everything
else happens in the workers. It knows neither the socket nor the signals nor the processes.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, encode_error, slices
from seatrial.serving.bodies import SHUTTING_DOWN, Bodies, BodyMissingError, Holding, is_gzip
from seatrial.serving.dispatch import FailedError, Request
from seatrial.serving.exchange import Exchange
from seatrial.serving.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from seatrial.serving.dispatch import Dispatch
    from seatrial.serving.exchange import Header, Message, Receive, Send
    from seatrial.serving.frames import Ready
    from seatrial.serving.metrics import Metrics
    from seatrial.serving.settings import Bundle, Contract

_RETRY_AFTER = b"1"  # seconds
_LARGE = 1_000_000  # bytes of a body that is cut off the event loop
_REFUSALS = 10  # lines a second; a burst of refusals must not cost more than answers would
_SHOWN = 500  # characters of a message in the log, parts of which a client may have sent


class App:
    """The ASGI application. `served` is None until every worker is ready; `drain` refuses what is new."""

    def __init__(self, bundle: Bundle, contract: Contract, dispatch: Dispatch, metrics: Metrics) -> None:
        self.served: Ready | None = None
        self.failed = False  # a worker has ended
        self._dispatch = dispatch
        self._bundle = bundle
        self._contract = contract
        self._metrics = metrics
        self._routes = _routes(bundle, contract)
        self._bodies = Bodies(bundle.max_body_bytes)
        self._refusals = log.Limited(_REFUSALS)
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()

    async def drain(self, seconds: float) -> bool:
        """Refuse new predictions and wait for those in flight; return whether all of them ended in time.

        A request is in flight once its whole body has come: a client that stalls must not delay the end.
        """
        self._draining = True
        self._bodies.stop()
        if self._in_flight:
            await asyncio.wait({asyncio.ensure_future(self._idle.wait())}, timeout=seconds)
        return not self._in_flight

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send, self._contract.project)
        try:
            await self._route(exchange)
        except Exception as error:  # noqa: BLE001 - what was not foreseen is answered and logged like the rest
            await self._fail(exchange, error)
        else:
            if self._bundle.log_requests == "all" and exchange.path == self._contract.predict_route:
                log.write("INFO", "answered", phase="predict", **exchange.fields())
        if exchange.path == self._contract.predict_route:
            self._metrics.answered(exchange.status, exchange.seconds)

    async def _route(self, exchange: Exchange) -> None:
        """Answer a request by its method and path.

        Raises:
            AnswerError: it is refused.
        """
        exchange.require_host()
        allowed = self._routes.get(exchange.path)
        if allowed is None:
            *others, last = self._routes
            raise AnswerError(404, f"no route {exchange.path}; there are {', '.join(others)} and {last}")
        if exchange.method not in allowed:
            raise _MethodError(exchange, allowed)
        if exchange.path == self._contract.predict_route:
            await self._predict(exchange)
        elif exchange.path == self._contract.health_route:
            await self._health(exchange)
        else:
            await exchange.respond(200, self._metrics.text(self._now()), kind=CONTENT_TYPE)

    async def _health(self, exchange: Exchange) -> None:
        state = "failed" if self.failed else "ready" if self.served else "loading"
        state = "draining" if self._draining else state
        await exchange.respond(200 if state == "ready" else 503, json.dumps({"status": state}).encode())

    def _now(self) -> dict[str, tuple[float, str]]:
        """Return what the metrics say of this moment."""
        return {
            "ready": (int(self.served is not None and not (self.failed or self._draining)), "Whether health is 200."),
            "workers": (self._dispatch.workers, "Workers that have loaded the predictor."),
            "requests_in_flight": (self._in_flight, "Requests whose body has come and whose answer has not."),
            "requests_waiting": (self._dispatch.waiting, "Requests that wait for a worker."),
            "body_bytes": (self._bodies.held, "Bytes of the bodies that are held, of all requests without an answer."),
        }

    async def _fail(self, exchange: Exchange, error: Exception) -> None:
        """Log and answer what refused or failed a request."""
        failure = error if isinstance(error, AnswerError) else AnswerError(500, log.text_of(error))
        exchange.status = failure.status
        message = failure.message[:_SHOWN]
        at = {} if failure.instance is None else {"instance": failure.instance}
        if failure.status == 500:
            traceback = error.traceback if isinstance(error, FailedError) else log.traceback_of(error)
            log.write("ERROR", message, phase="predict", **at, **exchange.fields(), traceback=traceback)
        else:  # below it is the client's fault
            severity = "WARNING" if failure.status > 500 else "INFO"
            self._refusals.write(severity, message, phase="predict", **at, **exchange.fields())
        await exchange.respond(failure.status, encode_error(failure), *_headers_of(error))

    async def _predict(self, exchange: Exchange) -> None:
        if self._draining:
            raise AnswerError(503, SHUTTING_DOWN)
        if self.served is None or self.failed:
            raise AnswerError(503, _ENDED if self.failed else "the predictor is still loading")
        is_image = _is_image(exchange)
        if is_image and self.served.no_image:
            raise AnswerError(415, self.served.no_image)
        packed = is_gzip(exchange)
        holding = Holding(self._bodies)
        try:
            body = await self._bodies.read(exchange, holding)
            if body is None:
                return
            self._in_flight += 1
            try:
                if packed:
                    body = await self._bodies.unpacked(body, holding)
                await self._answer(exchange, body, is_image=is_image)
            finally:
                self._in_flight -= 1
                if self._draining and not self._in_flight:
                    self._idle.set()
        finally:
            holding.end()

    async def _answer(self, exchange: Exchange, body: bytes, *, is_image: bool) -> None:
        """Let the workers answer a body."""
        assert self.served is not None  # noqa: S101 - nothing is read before
        if not self.served.splits:
            found = await self._found(exchange, self._dispatch.submit([body], origin=exchange.origin))
            if found is not None:
                await exchange.respond(200, found[0])
            return
        parameters = b""
        instances = [body]
        if not is_image:
            cut = slices(body) if len(body) < _LARGE else await asyncio.to_thread(slices, body)
            instances, parameters = cut.instances, cut.parameters
        most = self._bundle.max_instances
        if len(instances) > most:
            said = f"the request has {len(instances)} instances; the limit is {most} (serving.max-instances)"
            raise AnswerError(413, said)
        found = []
        if instances:
            request = self._dispatch.submit(instances, parameters, is_image=is_image, origin=exchange.origin)
            found = await self._found(exchange, request)
        if found is not None:
            await exchange.respond(200, b'{"predictions":[%s]}' % b",".join(found))

    async def _found(self, exchange: Exchange, request: Request) -> list[bytes] | None:
        """Wait for an answer; None if the client went away. What nobody waits for is not computed."""
        answer = request.answer
        timer = asyncio.get_running_loop().call_later(self._bundle.request_timeout, self._too_late, answer)
        leaving = asyncio.ensure_future(exchange.receive())
        leaving.add_done_callback(lambda _: _end(answer, _ClientLeftError()))
        try:
            return await answer
        except _ClientLeftError:
            return None
        finally:
            timer.cancel()
            leaving.cancel()
            self._dispatch.withdraw(request)

    def _too_late(self, answer: asyncio.Future[Any]) -> None:
        seconds = self._bundle.request_timeout
        _end(answer, AnswerError(504, f"there is no answer after {seconds:g} s (serving.request-timeout)"))


class _ClientLeftError(Exception):
    """Nobody waits for an answer any more."""


def _end(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _routes(bundle: Bundle, contract: Contract) -> dict[str, tuple[str, ...]]:
    """Return the methods that each route answers; those of the platform go before our own."""
    routes: dict[str, tuple[str, ...]] = {contract.health_route: ("GET", "HEAD"), contract.predict_route: ("POST",)}
    if bundle.metrics_route in routes:
        log.write("WARNING", f"there are no metrics: {bundle.metrics_route} is a route of the platform", phase="start")
    elif bundle.metrics_route:
        routes[bundle.metrics_route] = ("GET", "HEAD")
    return routes


_ENDED = "a process of the server has ended, and the server ends"


class _MethodError(AnswerError):
    """Refuses a method that a route does not have."""

    def __init__(self, exchange: Exchange, allowed: tuple[str, ...]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(405, f"{exchange.path} answers {self.allowed}, not {exchange.method}")


def ended() -> AnswerError:
    """Return what requests are answered whose worker has ended."""
    return AnswerError(503, _ENDED)


def _headers_of(error: Exception) -> list[Header]:
    headers: list[Header] = [(b"connection", b"close")] if isinstance(error, BodyMissingError) else []
    if isinstance(error, _MethodError):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, AnswerError) and error.status == 503:
        headers.append((b"retry-after", _RETRY_AFTER))
    return headers


def _is_image(exchange: Exchange) -> bool:
    kind = exchange.text(b"content-type", "application/json").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/json" or kind.endswith("+json")):
        raise AnswerError(415, f"the content type is {kind}; send application/json, or one image as image/*")
    return kind.startswith("image/")
