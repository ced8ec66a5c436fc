"""Checks of the health route: it answers at once, whatever else the server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

from seatrial.contract.check import BrokenError, Group, Level, row
from seatrial.contract.client import Client
from seatrial.contract.sources import VERTEX, rfc
from seatrial.contract.wire import NoAnswerError, message

_REPEATED = 20
_LOADING = 8  # clients that ask for predictions meanwhile
_ENOUGH = 1.0  # seconds of predictions, in which health is asked
_LEAST = 3  # health answers


@row(Group.HEALTH, "health-200", Level.REQUIRED, VERTEX, core=True)
def ready(client: Client) -> None:
    """GET on the health route is answered with 200 within 10 s when the server can predict."""
    client.healthy()


@row(Group.HEALTH, "health-steady", Level.REQUIRED, VERTEX, core=True)
def steady(client: Client) -> None:
    """Once healthy, every health request is answered with 200: no worker of the server is behind the others."""
    for _ in range(_REPEATED):
        client.healthy()


@row(Group.HEALTH, "health-head", Level.RECOMMENDED, rfc(9110, "9.3.2"), core=True)
def head(client: Client) -> None:
    """HEAD on the health route has the status of GET and no body."""
    with client.connected() as connection:
        connection.send(message("HEAD", client.target.health))
        reply = connection.answer(client.limits.health, head=True)
        if reply.status != 200:
            raise BrokenError(f"HEAD {client.target.health}: {reply}")
        connection.send(message("GET", client.target.health))
        try:
            connection.answer(client.limits.health)
        except NoAnswerError as error:
            if not reply.closes:
                raise BrokenError(f"behind the answer to HEAD: {error}") from None


@row(Group.HEALTH, "health-query", Level.RECOMMENDED, rfc(3986, "3.4"), core=True)
def query(client: Client) -> None:
    """A query behind the health route does not change the answer."""
    reply = client.ask(message("GET", f"{client.target.health}?probe=1"), client.limits.health)
    if reply.status != 200:
        raise BrokenError(str(reply))


@row(Group.HEALTH, "health-http-1.0", Level.RECOMMENDED, rfc(9110, "2.5"), core=True)
def http_1_0(client: Client) -> None:
    """A health request of HTTP/1.0 without Host, as simple probes send it, is answered, and the connection closed."""
    with client.connected() as connection:
        connection.send(f"GET {client.target.health} HTTP/1.0\r\n\r\n".encode())
        reply = connection.answer(client.limits.health)
        if reply.status != 200:
            raise BrokenError(str(reply))
        if not connection.is_closed(client.limits.refusal):
            raise BrokenError("the connection stays open")


@row(Group.HEALTH, "health-method", Level.RECOMMENDED, rfc(9110, "15.5.6"), core=True)
def method(client: Client) -> None:
    """Another method than GET and HEAD on the health route is 405, and Allow names the right ones."""
    reply = client.ask(message("POST", client.target.health, b"{}"))
    if reply.status != 405 or "GET" not in reply.headers.get("allow", ""):
        raise BrokenError(f"POST {client.target.health}: {reply}, Allow: {reply.headers.get('allow', 'missing')}")


@row(Group.HEALTH, "health-beside-idle", Level.REQUIRED, VERTEX, core=True)
def beside_idle(client: Client) -> None:
    """Health is answered in time while other clients hold connections and send nothing, or half a request."""
    with ExitStack() as open_ones:
        for part in (b"", f"GET {client.target.health} HT".encode(), message("POST", client.target.predict, b"{")[:-1]):
            connection = open_ones.enter_context(client.connected())
            connection.send(part)
        client.healthy()


@row(Group.HEALTH, "health-while-predicting", Level.REQUIRED, VERTEX)
def while_predicting(client: Client) -> None:
    """Health is answered with 200 within 10 s while predictions run."""
    with _predictions(client):
        _slowest(client)


@row(Group.HEALTH, "health-quick", Level.RECOMMENDED, VERTEX)
def quick(client: Client) -> None:
    """Health does not wait for predictions: while they run it is answered within a second, a tenth of the limit."""
    with _predictions(client):
        slowest = _slowest(client)
    if slowest > client.limits.quick:
        raise BrokenError(f"the slowest answer took {slowest:.2f} s")


@contextmanager
def _predictions(client: Client) -> Iterator[None]:
    """Ask for predictions from several clients until the block ends, and wait for the last answers."""
    body = client.body(4)
    enough = threading.Event()

    def load() -> None:
        while not enough.is_set():
            client.predicted(client.post(body), 4)

    with ThreadPoolExecutor(_LOADING) as threads:
        running = [threads.submit(load) for _ in range(_LOADING)]
        try:
            yield
        finally:
            enough.set()
            wait(running)
    for one in running:
        one.result()


def _slowest(client: Client) -> float:
    """Ask for health for a while; return the longest wait in seconds."""
    slowest, asked = 0.0, 0
    until = time.monotonic() + _ENOUGH
    while time.monotonic() < until or asked < _LEAST:
        began = time.monotonic()
        client.healthy()
        slowest = max(slowest, time.monotonic() - began)
        asked += 1
        time.sleep(0.02)
    return slowest
