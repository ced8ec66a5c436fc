"""A server as the checks see it: how to reach it, its routes, what a good request is, and how long it may take."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from seatrial.contract.check import BrokenError, NotSeenError
from seatrial.contract.wire import Connection, NoAnswerError, Reply, message
from seatrial.samples import variants

Connect = Callable[[float], socket.socket]  # within so many seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds, and how large they may be, in bytes.

    Attributes:
        health: Vertex AI takes a later answer for none.
        answer: what a shared public endpoint allows a prediction.
        refusal: of what needs no prediction; the server may be busy, and the machine slow.
        quick: of a health answer while predictions run, on a machine that is busy with them.
        keep_alive: how long proxies keep an idle connection.
        stalled: after which a server gives up a client that sends nothing more.
        body: a request that a shared public endpoint passes on.
        endless: of a body without an announced length, at which any limit is long passed.
        port: until the last of four liveness tries, ten seconds apart.
        load: until the model is loaded.
        failing: until a load that fails has ended the server, beyond twice the time of a good one.
        stop: after SIGTERM; five less than Kubernetes gives.
    """

    health: float = 10.0
    answer: float = 60.0
    refusal: float = 10.0
    quick: float = 1.0
    keep_alive: float = 75.0
    stalled: float = 60.0
    body: int = 1_500_000
    endless: int = 64_000_000
    port: float = 40.0
    load: float = 300.0
    failing: float = 30.0
    stop: float = 25.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and what it is asked with.

    Attributes:
        connect: opens a connection to its port.
        health: the path of the health route.
        predict: the path of the predict route.
        instances: good ones; none if nobody knows what the server takes.
        parameters: that go with them; None for none.
        why_none: why there are no good instances.
    """

    connect: Connect
    health: str
    predict: str
    instances: Sequence[Any] = ()
    parameters: Any = None
    limits: Limits = field(default_factory=Limits)
    why_none: str = "what a good request is, is not known"


class Client:
    """Asks a target, and knows what a good answer is."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.limits = target.limits
        self.image = _image_in(target.instances[0]) if target.instances else None

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a connection; it is closed at the end of the block.

        Raises:
            NoAnswerError: the server takes none.
        """
        try:
            opened = self.target.connect(self.limits.health)
        except OSError as error:
            raise NoAnswerError(f"no connection: {error.strerror or error}") from None
        with Connection(opened) as connection:
            yield connection

    def ask(
        self,
        data: bytes,
        timeout: float = 0.0,
        *,
        head: bool = False,
    ) -> Reply:
        """Send bytes on a connection of their own; return the answer, which must come within `timeout` seconds."""
        with self.connected() as connection:
            connection.send(data)
            return connection.answer(timeout or self.limits.refusal, head=head)

    def healthy(self) -> Reply:
        """Ask for health, which must be 200 in time."""
        reply = self.ask(message("GET", self.target.health), self.limits.health)
        if reply.status != 200:
            raise BrokenError(f"GET {self.target.health}: {reply}")
        return reply

    def post(self, body: bytes, headers: Mapping[str, str] | None = None, *, path: str = "") -> Reply:
        """Send a body to the predict route."""
        return self.ask(message("POST", path or self.target.predict, body, headers), self.limits.answer)

    def body(self, count: int = 1, **more: Any) -> bytes:
        """Return the body of a good request of so many instances; `more` are keys beside them."""
        given = self.target.instances
        if not given:
            raise NotSeenError(self.target.why_none)
        instances = [given[number % len(given)] for number in range(count)]
        beside = {} if self.target.parameters is None else {"parameters": self.target.parameters}
        return json.dumps({"instances": instances, **beside, **more}).encode()

    def body_of(self, *instances: Any) -> bytes:
        """Return the body of a request of these instances."""
        beside = {} if self.target.parameters is None else {"parameters": self.target.parameters}
        return json.dumps({"instances": list(instances), **beside}).encode()

    def predicted(self, reply: Reply, count: int = 1) -> list[Any]:
        """Return the predictions of an answer, which must be a good one."""
        if reply.status != 200:
            raise BrokenError(str(reply))
        try:
            answer = reply.json()
        except (ValueError, RecursionError) as error:
            raise BrokenError(f"the answer is not JSON: {error}; {reply}") from None
        found = answer.get("predictions") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise BrokenError(f'the answer has no list "predictions": {reply}')
        if len(found) != count:
            raise BrokenError(f"{count} instances, {len(found)} predictions")
        return found

    def good(self, count: int = 1, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a good request, whose answer must be good."""
        reply = self.post(self.body(count), headers)
        self.predicted(reply, count)
        return reply

    def refused(self, data: bytes, what: str = "", statuses: Sequence[int] = ()) -> Reply:
        """Send a request that must be refused with a status of 4xx, or one of `statuses`."""
        reply = self.ask(data, self.limits.answer)
        self.is_refusal(reply, what, statuses)
        return reply

    def is_refusal(self, reply: Reply, what: str = "", statuses: Sequence[int] = ()) -> None:
        """Require a status of 4xx, or one of `statuses`."""
        allowed = reply.status in statuses if statuses else 400 <= reply.status < 500
        if not allowed:
            raise BrokenError(f"{what}: {reply}" if what else str(reply))

    def refused_or_closed(self, data: bytes, what: str = "") -> None:
        """Send what must be refused with a status of 4xx, or with the end of the connection."""
        with self.connected() as connection:
            connection.send(data)
            try:
                reply = connection.answer(self.limits.refusal)
            except NoAnswerError as error:
                if connection.is_closed(1.0):
                    return
                raise BrokenError(f"{what}: {error}" if what else str(error)) from None
        self.is_refusal(reply, what)

    def no_server_error(self, reply: Reply, what: str = "") -> None:
        """Require a status below 500: it was the client's doing."""
        if reply.status >= 500:
            raise BrokenError(f"{what}: {reply}" if what else str(reply))

    def at_once(self, bodies: Sequence[bytes]) -> list[Reply]:
        """Send several bodies at the same time; return their answers in the same order."""
        with ThreadPoolExecutor(len(bodies)) as threads:
            return list(threads.map(self.post, bodies))

    def with_image(self, data: bytes) -> bytes:
        """Return the body of a good request with another image file in it."""
        return self.with_text(base64.b64encode(data).decode("ascii"))

    def with_text(self, text: str) -> bytes:
        """Return the body of a good request with another text where its image is."""
        self.picture()
        return self.body_of(_replaced(self.target.instances[0], text))

    def picture(self) -> bytes:
        """Return the image file in the first good instance."""
        if self.image is None:
            raise NotSeenError("no good instance holds an image" if self.target.instances else self.target.why_none)
        return self.image


def _image_in(instance: Any) -> bytes | None:
    """Return the first image file in an instance, at any depth."""
    if (found := variants.image_of(instance)) is not None:
        return found
    inner = instance.values() if isinstance(instance, dict) else instance if isinstance(instance, list) else ()
    return next((found for each in inner if (found := _image_in(each)) is not None), None)


def _replaced(instance: Any, text: str) -> Any:
    """Return an instance with another text in the place of its first image."""
    if variants.image_of(instance) is not None:
        return {**instance, "b64": text} if isinstance(instance, dict) else text
    if isinstance(instance, list):
        at = next(number for number, each in enumerate(instance) if _image_in(each) is not None)
        return [*instance[:at], _replaced(instance[at], text), *instance[at + 1 :]]
    key = next(key for key, each in instance.items() if _image_in(each) is not None)
    return {**instance, key: _replaced(instance[key], text)}
