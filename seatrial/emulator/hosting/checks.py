"""What a running server is asked to know whether it has started, lives and takes traffic: by its probes, or by default.

A version's probes are Kubernetes' own, as v1.ModelContainerSpec says; where it has none, the rules of "Custom container
requirements for inference" hold. What follows from the answers is in `probes`.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from seatrial.emulator.api.hosting import HostingError, Reply
from seatrial.emulator.api.refusals import UNIMPLEMENTED
from seatrial.emulator.api.state import Message

PERIOD = 10.0  # seconds between two questions; Vertex's custom container requirements, and the default of v1.Probe
TRIES = 4  # failures in a row until Vertex acts; its custom container requirements
_HEALTH_TIMEOUT = 10.0  # seconds; the same requirements: a slower answer counts as none
_CONNECT_TIMEOUT = 1.0  # seconds
_PROBE_TIMEOUT, _PROBE_FAILURES = 1, 3  # defaults of v1.Probe


class Running(Protocol):
    """A server that was started."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port at which it is asked."""

    def reached(self, port: int) -> tuple[str, int]:
        """Return the host and port at which another port of it is reached."""

    def succeeds(self, command: Sequence[str], timeout: float) -> bool:
        """Run a command where it runs, and return whether that ends well in `timeout` seconds."""

    def ended(self, *, certain: bool = False) -> bool:
        """Return whether it has ended by itself; the quick answer may be a moment late unless it must be `certain`."""

    def end(self) -> None:
        """End it: by the signal to drain, then by force when the grace period is over."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question, and how many answers in a row count.

    Attributes:
        holds: asks a server once.
        failing: what is said of a server after `failures` in a row.
        period: seconds between two questions.
        delay: seconds before the first.
        failures, successes: how many in a row count.
        eager: whether it is asked all the time until it holds for the first time.
    """

    holds: Callable[[Running], bool]
    failing: str = ""
    period: float = PERIOD
    delay: float = 0.0
    failures: int = TRIES
    successes: int = 1
    eager: bool = False


class Course:
    """The answers that one start of a server has given to a probe so far."""

    def __init__(self, probe: Probe) -> None:
        """Let the delay begin."""
        self.probe = probe
        self.held = False  # whether what counted last was well
        self._well = self._failed = 0
        self._due = time.monotonic() + probe.delay
        self._pause = 0.0 if probe.eager else probe.period

    @property
    def failed(self) -> bool:
        """Whether so many of the last answers were failures as count."""
        return self._failed >= self.probe.failures

    def ask(self, running: Running) -> None:
        """Ask if it is time to."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._pause
        if self.probe.holds(running):
            self._well, self._failed = self._well + 1, 0
        else:
            self._well, self._failed = 0, self._failed + 1
        if self._well >= self.probe.successes:
            self.held, self._pause = True, self.probe.period
        elif self.failed:
            self.held = False


NONE = Probe(lambda _: True)  # a server without a startup probe has started


def connects(period: float) -> Probe:
    """Return Vertex's own liveness check: the port takes connections."""
    failing = f"refused {TRIES} connections in a row"
    return Probe(lambda running: _connects(running.address, _CONNECT_TIMEOUT), failing, period, delay=period)


def answers(route: str, period: float) -> Probe:
    """Return Vertex's own health check: the health route answers 200."""
    return Probe(lambda running: _status(running.address, route, _HEALTH_TIMEOUT) == 200, period=period, eager=True)


def of(message: Message, name: str, port: int) -> Probe:
    """Return the probe of a version; `name` is the kind in words, `port` the one that the server listens on.

    Raises:
        HostingError: it is a gRPC probe, which the deploy never sends and nothing here asks.
    """
    timeout = message.timeout_seconds or _PROBE_TIMEOUT
    failures = message.failure_threshold or _PROBE_FAILURES
    return Probe(
        _asked(message, port, timeout),
        f"failed its {name} probe {failures} times in a row",
        message.period_seconds or PERIOD,
        message.initial_delay_seconds,
        failures,
        message.success_threshold or 1,
    )


def ports_of(messages: Sequence[Message]) -> set[int]:
    """Return the ports that probes name."""
    kinds = [(message, message.WhichOneof("probe_type")) for message in messages]
    return {getattr(message, kind).port for message, kind in kinds if kind in ("http_get", "tcp_socket")} - {0}


def sent(
    address: tuple[str, int],
    route: str,
    timeout: float,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    secure: bool = False,
) -> Reply:
    """Send a GET, or with a body a POST, and return the answer unchanged.

    Raises:
        OSError: there is no connection, or no answer within `timeout` seconds.
        http.client.HTTPException: the answer is not HTTP.
    """
    if secure:  # no certificate is verified, as the kubelet verifies none
        context = ssl._create_unverified_context()  # noqa: S323
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(*address, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(*address, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET" if body is None else "POST", route, body, dict(headers or {}))
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers.get("Content-Type", ""), answer.read())


def _asked(message: Message, port: int, timeout: float) -> Callable[[Running], bool]:
    kind = message.WhichOneof("probe_type")
    if kind == "exec_":  # the SDK renames the field because of the builtin
        command = list(message.exec_.command)
        return lambda running: running.succeeds(command, timeout)
    if kind == "tcp_socket":
        to = message.tcp_socket
        return lambda running: _connects(_place(running, to.host, to.port or port), timeout)
    if kind == "http_get":
        get = message.http_get
        headers = {header.name: header.value for header in get.http_headers}
        secure = get.scheme.upper() == "HTTPS"

        def answers_well(running: Running) -> bool:
            address = _place(running, get.host, get.port or port)
            return 200 <= _status(address, get.path or "/", timeout, headers, secure=secure) < 400

        return answers_well
    raise HostingError(UNIMPLEMENTED, "This emulator asks no gRPC probe.")


def _place(running: Running, host: str, port: int) -> tuple[str, int]:
    return (host, port) if host else running.reached(port)


def _connects(address: tuple[str, int], timeout: float) -> bool:
    try:
        socket.create_connection(address, timeout=timeout).close()
    except OSError:
        return False
    return True


def _status(
    address: tuple[str, int],
    route: str,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    *,
    secure: bool = False,
) -> int:
    """Return the status that a GET is answered with; 0 without an answer in time."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return sent(address, route, timeout, headers=headers, secure=secure).status
    return 0
