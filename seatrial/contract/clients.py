"""Checks with clients that are slow, leave, or come in numbers: none of them may harm another."""

from __future__ import annotations

import time
from contextlib import ExitStack

from seatrial.contract.check import BrokenError, Group, Level, row
from seatrial.contract.client import Client
from seatrial.contract.sources import SLOW_CLIENTS, VERTEX, rfc
from seatrial.contract.wire import NoAnswerError, message

_PIECES = 10
_PAUSE = 0.1  # seconds between pieces
_LEAVING = 10
_IDLE = 100  # connections


@row(Group.CLIENTS, "client-slow", Level.REQUIRED, rfc(9112, "9.5"))
def slow(client: Client) -> None:
    """A body that comes in pieces, with pauses, is read to its end."""
    data = message("POST", client.target.predict, client.body())
    size = len(data) // _PIECES + 1
    with client.connected() as connection:
        for at in range(0, len(data), size):
            connection.send(data[at : at + size])
            time.sleep(_PAUSE)
        client.predicted(connection.answer(client.limits.answer))


@row(Group.CLIENTS, "client-stalls-no-other", Level.REQUIRED, SLOW_CLIENTS, core=True)
def stalls_no_other(client: Client) -> None:
    """While bodies of other clients are on their way and do not come, a prediction is answered."""
    unfinished = message("POST", client.target.predict, client.body())[:-1]
    with ExitStack() as stalled:
        for _ in range(8):
            stalled.enter_context(client.connected()).send(unfinished)
        client.good()


@row(Group.CLIENTS, "client-half-closed", Level.RECOMMENDED, rfc(9293, "3.6"), core=True)
def half_closed(client: Client) -> None:
    """A client that has sent its request and closed its half of the connection still gets the answer."""
    with client.connected() as connection:
        connection.send(message("POST", client.target.predict, client.body()))
        connection.end()
        client.predicted(connection.answer(client.limits.answer))


@row(Group.CLIENTS, "client-leaves-sending", Level.REQUIRED, rfc(9112, "9.5"))
def leaves_sending(client: Client) -> None:
    """Clients that break off in the middle of a body do no harm: the next request is answered."""
    data = message("POST", client.target.predict, client.body())
    for _ in range(_LEAVING):
        with client.connected() as connection:
            connection.send(data[:-1])
            connection.reset()
    client.good()


@row(Group.CLIENTS, "client-leaves-waiting", Level.REQUIRED, rfc(9112, "9.5"), core=True)
def leaves_waiting(client: Client) -> None:
    """Clients that are gone before their answer do no harm: the next request is answered."""
    data = message("POST", client.target.predict, client.body())
    for _ in range(_LEAVING):
        with client.connected() as connection:
            connection.send(data)
            connection.reset()
    client.good()


@row(Group.CLIENTS, "client-many", Level.REQUIRED, VERTEX)
def many(client: Client) -> None:
    """While a hundred connections are open and idle, a prediction and health are answered."""
    with ExitStack() as idle:
        for _ in range(_IDLE):
            idle.enter_context(client.connected())
        client.healthy()
        client.good()


@row(Group.CLIENTS, "client-at-once", Level.REQUIRED, VERTEX)
def at_once(client: Client) -> None:
    """Requests that come at the same time are all answered, each with its own number of predictions."""
    counts = [1, 2, 3, 1, 2, 3, 1, 2]
    for count, reply in zip(counts, client.at_once([client.body(count) for count in counts]), strict=True):
        client.predicted(reply, count)


@row(Group.CLIENTS, "client-stalled-head", Level.RECOMMENDED, SLOW_CLIENTS, slow=True)
def stalled_head(client: Client) -> None:
    """A client that never ends its headers is given up within a minute."""
    _given_up(client, f"GET {client.target.health} HTTP/1.1\r\nHost: a\r\nX-".encode())


@row(Group.CLIENTS, "client-stalled-body", Level.RECOMMENDED, SLOW_CLIENTS, slow=True)
def stalled_body(client: Client) -> None:
    """A client that never ends its body is given up within a minute, with 408 or the end of the connection."""
    _given_up(client, message("POST", client.target.predict, client.body())[:-1])


def _given_up(client: Client, unfinished: bytes) -> None:
    with client.connected() as connection:
        connection.send(unfinished)
        try:
            reply = connection.answer(client.limits.stalled)
        except NoAnswerError as error:
            if not connection.is_closed(0.1):
                raise BrokenError(f"{error}: it still waits after {client.limits.stalled:g} s") from None
        else:
            client.is_refusal(reply)
