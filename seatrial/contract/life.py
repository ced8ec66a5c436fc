"""The life of a server that the suite starts: what is seen of its start and its end, and the checks of both."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from seatrial.contract.check import BrokenError, Group, Level, NotSeenError, row
from seatrial.contract.client import Client, Limits, Target
from seatrial.contract.process import Running
from seatrial.contract.sources import LOGGING, STOPPING, VERTEX, rfc
from seatrial.contract.wire import NoAnswerError, Reply, message

NOWHERE = {"AIP_STORAGE_URI": "/seatrial/no/such/model"}  # of a start whose load must fail
_LOOK = 0.02  # seconds between two looks
_ASKED_EARLY = 5  # predictions before the server is healthy
_UNDER_WAY = 1.0  # seconds that a prediction takes which the signal is to meet
_CLIENTS = 3  # that wait for such a prediction
_LARGEST = 1_400_000  # bytes of its request: endpoints pass 1.5 MB
_LARGEST_ANSWER = 10_000_000  # bytes; no endpoint passes more
_OTHER_ADDRESS = "127.0.0.2"  # of the loopback of Linux: only a server on all interfaces answers there


class Stopping(Protocol):
    """A server that can be stopped: a command, or one on trial."""

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs."""

    def terminate(self) -> None:
        """Send it SIGTERM."""

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; return the exit code, or None if it still runs after `timeout` seconds."""

    def left_behind(self) -> bool:
        """Return whether a process that it started runs although it has ended."""


class Start(Protocol):
    """Starts the server once more, under further variables."""

    def __call__(self, more: Mapping[str, str]) -> AbstractContextManager[Running]:
        """Yield it; it ends with the block."""


@dataclass(slots=True)
class Started:
    """What a start showed.

    Attributes:
        running: the server.
        port_after: seconds until its port took a connection; None if it never did.
        healthy_after: seconds until health was 200; None if it never was.
        health: what health was answered before, statuses and reasons why there was none.
        predict: the same of predictions.
    """

    running: Running
    target: Target
    port_after: float | None = None
    healthy_after: float | None = None
    health: list[str] = field(default_factory=list)
    predict: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Ended:
    """What SIGTERM did to a server with predictions under way.

    Attributes:
        answers: what those that waited when the signal came got: an answer, or why there was none.
        health: statuses after the signal; 0 for a connection that was refused.
        exit_code: None if it still ran at the end of its time.
        seconds: from the signal to the end.
        left_behind: whether processes that it started were left.
        printed: the lines of its standard output.
        errors: the lines of its standard error.
    """

    answers: list[Reply | str] = field(default_factory=list)
    why_none: str = ""
    health: list[int] = field(default_factory=list)
    exit_code: int | None = None
    seconds: float = 0.0
    left_behind: bool = False
    printed: Sequence[str] = ()
    errors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """What further starts showed.

    Attributes:
        healthy: whether the server with a model that does not exist got healthy.
        failed_code: its exit code; None if it still ran.
        failed_after: seconds until its end, or until nobody waited any more.
        early_code: the exit code of one that was stopped while it loaded; None if it still ran.
    """

    limits: Limits
    healthy: bool
    failed_code: int | None
    failed_after: float
    early_code: int | None


def watch_start(running: Running, target: Target, body: bytes) -> Started:
    """Look at a server from its start until it is healthy, ends, or its time is up."""
    seen = Started(running, target)
    client = Client(target)
    while running.exit_code is None and running.seconds < target.limits.load:
        try:
            reply = client.ask(message("GET", target.health), target.limits.health)
            said = str(reply.status)
        except NoAnswerError as error:
            said = str(error)
        if not said.startswith("no connection"):
            seen.port_after = seen.port_after or running.seconds
            if said == "200":
                seen.healthy_after = running.seconds
                return seen
            seen.health.append(said)
            if body and len(seen.predict) < _ASKED_EARLY:
                seen.predict.append(_early(client, body))
        time.sleep(_LOOK)
    return seen


def _early(client: Client, body: bytes) -> str:
    try:
        return str(client.ask(message("POST", client.target.predict, body)).status)
    except NoAnswerError as error:
        return str(error)


def watch_end(running: Stopping, client: Client) -> Ended:
    """Send SIGTERM while predictions are under way and a connection is open, and look until the end."""
    seen = Ended()
    with contextlib.ExitStack() as open_ones, ThreadPoolExecutor(_CLIENTS) as threads:
        with contextlib.suppress(NoAnswerError):
            open_ones.enter_context(client.connected())
        waiting = _under_way(client, threads, seen)
        time.sleep(_UNDER_WAY / 4)
        before = [one for one in waiting if not one.done()]
        signalled = time.monotonic()
        running.terminate()
        while running.exit_code is None and time.monotonic() - signalled < client.limits.stop:
            seen.health.append(_status(client))
            time.sleep(_LOOK)
        seen.exit_code = running.wait(0.1)
        seen.seconds = time.monotonic() - signalled
        seen.left_behind = seen.exit_code is not None and _still_there(running)
        seen.answers = [one.result() for one in before]
    if not seen.why_none and not seen.answers:
        seen.why_none = "predictions are too quick to be under way when the signal comes"
    return seen


def _status(client: Client) -> int:
    try:
        return client.ask(message("GET", client.target.health), 2.0).status
    except NoAnswerError:
        return 0


def _still_there(running: Stopping) -> bool:
    """Return whether its processes are there, also a moment later: the kernel needs one to clear them away."""
    until = time.monotonic() + 1.0
    while running.left_behind():
        if time.monotonic() > until:
            return True
        time.sleep(_LOOK)
    return False


def _under_way(client: Client, threads: ThreadPoolExecutor, seen: Ended) -> list[Future[Reply | str]]:
    """Ask for predictions that take about a second; return what will be their answers."""
    try:
        body = _long_request(client)
    except (BrokenError, NotSeenError, NoAnswerError) as error:
        seen.why_none = str(error)
        return []

    def ask() -> Reply | str:
        try:
            return client.post(body)
        except NoAnswerError as error:
            return str(error)

    return [threads.submit(ask) for _ in range(_CLIENTS)]


def _long_request(client: Client) -> bytes:
    """Return a request whose prediction takes about a second, or as large a one as endpoints pass on."""
    count, most = 1, max(1, _LARGEST // len(client.body()))
    while True:
        began = time.monotonic()
        reply = client.post(client.body(count))
        seconds = time.monotonic() - began
        if reply.status != 200:  # so many are too many
            most = max(1, count // 2)
            if count == 1:
                raise BrokenError(str(reply))
            count = most
        most = min(most, max(1, _LARGEST_ANSWER * count // (len(reply.body) or 1)))
        if seconds >= _UNDER_WAY / 2 or count >= most:
            return client.body(min(count, most))
        count = min(most, math.ceil(count * min(8.0, _UNDER_WAY / max(seconds, 0.001))))


def watch_again(start: Start, started: Started) -> Again:
    """Start the server with a model that does not exist; then once more, and stop it while it loads."""
    limits = started.target.limits
    usual = started.healthy_after or 0.0
    allowed = min(limits.load, 2 * usual + limits.failing)
    with start(NOWHERE) as running:
        client = Client(replace(started.target, connect=running.connect))
        healthy = False
        while running.exit_code is None and running.seconds < allowed and not healthy:
            healthy = _status(client) == 200
            time.sleep(_LOOK)
        code, after = running.exit_code, running.seconds
    with start({}) as running:
        while running.exit_code is None and running.seconds < usual / 2:
            time.sleep(_LOOK)
        running.terminate()
        early = running.wait(limits.stop)
    return Again(limits, healthy, code, after, early)


@row(Group.START, "start-port", Level.REQUIRED, VERTEX)
def port(seen: Started) -> None:
    """The port takes connections within 40 s of the start: Vertex AI tries four times and then restarts it."""
    if seen.port_after is None or seen.port_after > seen.target.limits.port:
        took = "never" if seen.port_after is None else f"after {seen.port_after:.1f} s"
        raise BrokenError(f"port {seen.running.port} took a connection {took}")


@row(Group.START, "start-healthy", Level.REQUIRED, VERTEX)
def becomes_healthy(seen: Started) -> None:
    """The server gets healthy, and does not end by itself."""
    if seen.healthy_after is None:
        code = seen.running.exit_code
        how = f"not within {seen.target.limits.load:g} s" if code is None else f"it ended with exit code {code}"
        raise BrokenError(f"health was never 200: {how}")


@row(Group.START, "start-all-interfaces", Level.REQUIRED, VERTEX)
def all_interfaces(seen: Started) -> None:
    """The server listens on 0.0.0.0, not only on localhost, which nobody outside the container reaches."""
    if not sys.platform.startswith("linux"):
        raise NotSeenError("it can be seen on Linux")
    if seen.port_after is None or seen.running.exit_code is not None:
        raise NotSeenError("the server does not run")
    try:
        socket.create_connection((_OTHER_ADDRESS, seen.running.port), seen.target.limits.health).close()
    except OSError as error:
        raise BrokenError(f"{_OTHER_ADDRESS}:{seen.running.port}: {error.strerror or error}") from None


@row(Group.START, "start-health-503", Level.RECOMMENDED, VERTEX)
def health_503(seen: Started) -> None:
    """While the model loads, health is answered with 503."""
    _were(seen, seen.health, "health")


@row(Group.START, "start-predict-503", Level.RECOMMENDED, rfc(9110, "15.6.4"))
def predict_503(seen: Started) -> None:
    """While the model loads, a prediction is refused with 503."""
    _were(seen, seen.predict, "a prediction")


def _were(seen: Started, said: Sequence[str], what: str) -> None:
    if seen.healthy_after is None:
        raise NotSeenError("the model was never loaded")
    if not said:
        raise NotSeenError("the port was open only when the model was loaded")
    if others := sorted(set(said) - {"503", "200"}):
        raise BrokenError(f"before the first 200, {what} was answered with {', '.join(others)}")


@row(Group.STOP, "stop-answers", Level.REQUIRED, STOPPING)
def stop_answers(seen: Ended) -> None:
    """Predictions that are under way when SIGTERM comes are finished and answered."""
    if not seen.answers:
        raise NotSeenError(seen.why_none)
    lost = [answer if isinstance(answer, str) else str(answer) for answer in _lost(seen)]
    if lost:
        raise BrokenError(f"of {len(seen.answers)} predictions {len(lost)} were lost: {lost[0]}")


def _lost(seen: Ended) -> Iterator[Reply | str]:
    for answer in seen.answers:
        if isinstance(answer, str) or answer.status not in (200, 503):
            yield answer


@row(Group.STOP, "stop-health", Level.RECOMMENDED, STOPPING)
def stop_health(seen: Ended) -> None:
    """From SIGTERM on, health is 503 or not answered, so that nothing new is sent."""
    if not seen.health:
        raise NotSeenError("it ended at once")
    if 200 in seen.health[3:]:  # the first were on their way
        raise BrokenError(f"{seen.health.count(200)} of {len(seen.health)} health answers after the signal were 200")


@row(Group.STOP, "stop-in-time", Level.REQUIRED, STOPPING)
def stop_in_time(seen: Ended) -> None:
    """The server ends within 25 s of SIGTERM, also if clients hold connections: it is killed after 30 s."""
    if seen.exit_code is None:
        raise BrokenError(f"it still runs after {seen.seconds:.0f} s")


@row(Group.STOP, "stop-exit-code", Level.RECOMMENDED, STOPPING)
def stop_exit_code(seen: Ended) -> None:
    """After SIGTERM the exit code is 0: being stopped is no failure."""
    if seen.exit_code is None:
        raise NotSeenError("it does not end")
    if seen.exit_code != 0:
        raise BrokenError(f"exit code {seen.exit_code}")


@row(Group.STOP, "stop-leaves-nothing", Level.REQUIRED, STOPPING)
def stop_leaves_nothing(seen: Ended) -> None:
    """When the server has ended, no process that it started is left."""
    if seen.exit_code is None:
        raise NotSeenError("it does not end")
    if seen.left_behind:
        raise BrokenError("processes of its group still run")


@row(Group.STOP, "stop-log", Level.RECOMMENDED, LOGGING)
def log(seen: Ended) -> None:
    """Each line of the log is a JSON object with "severity", and standard error, which shows as ERROR, is empty."""
    for line in seen.printed:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or "severity" not in entry:
            raise BrokenError(f"standard output: {line[:120]}")
    if seen.errors:
        raise BrokenError(f"standard error: {seen.errors[0][:120]}")
    if not seen.printed:
        raise NotSeenError("it logs nothing")


@row(Group.AGAIN, "again-failed-load", Level.REQUIRED, VERTEX)
def failed_load(seen: Again) -> None:
    """A server whose model cannot be loaded ends with another exit code than 0, and does not try for ever."""
    if seen.healthy:
        raise NotSeenError("it gets healthy although AIP_STORAGE_URI names no model")
    if seen.failed_code is None:
        raise BrokenError(f"its model does not exist, and it still runs after {seen.failed_after:.0f} s")
    if seen.failed_code == 0:
        raise BrokenError("its model does not exist, and its exit code is 0")


@row(Group.AGAIN, "again-stop-while-loading", Level.RECOMMENDED, STOPPING)
def stop_while_loading(seen: Again) -> None:
    """SIGTERM ends a server that still loads, too."""
    if seen.early_code is None:
        raise BrokenError(f"it still runs {seen.limits.stop:g} s after SIGTERM")
