"""Checks of HTTP itself: what a proxy or a client may send by its rules, and what a server must refuse."""

from __future__ import annotations

import contextlib
import gzip
import re
from statistics import median

from seatrial.contract.check import BrokenError, Group, Level, NotSeenError, row
from seatrial.contract.client import Client
from seatrial.contract.sources import LIMITS, PROXY_KEEP_ALIVE, REQUEST_ID, rfc
from seatrial.contract.wire import Connection, NoAnswerError, Reply, chunked, message

_NOWHERE = "/seatrial/no/such/route"
_HUGE = 1_000_000_000  # bytes that are announced and never sent
_STALL = 0.02  # seconds; Nagle's algorithm and delayed acknowledgements cost 0.04 on Linux
# A busy machine makes single answers late: pairs of answers are compared, and only a median that is late in each round
# is no chance.
_PAIRS, _STALLED_ROUNDS = 9, 3
_ID = "seatrial-0f9e8d7c"
_TLS = bytes.fromhex("16030100c8010000c40303") + bytes(190)  # the first bytes of a client that speaks TLS


@row(Group.HTTP, "http-charset", Level.REQUIRED, rfc(9110, "8.3.1"))
def charset(client: Client) -> None:
    """A charset behind the media type, or the type in capitals, does not change the request."""
    for kind in ("application/json; charset=utf-8", "Application/JSON;charset=UTF-8"):
        client.good(headers={"Content-Type": kind})


@row(Group.HTTP, "http-no-content-type", Level.RECOMMENDED, rfc(9110, "8.3"))
def no_content_type(client: Client) -> None:
    """A request without Content-Type is taken for JSON or refused with 4xx."""
    reply = client.post(client.body(), {"Content-Type": ""})
    if reply.status == 200:
        client.predicted(reply)
    else:
        client.is_refusal(reply)


@row(Group.HTTP, "http-other-content-type", Level.RECOMMENDED, rfc(9110, "15.5.16"), core=True)
def other_content_type(client: Client) -> None:
    """A media type that the server does not read is refused with 415."""
    data = message("POST", client.target.predict, b"a,b\n1,2\n", {"Content-Type": "text/csv"})
    client.refused(data, "text/csv", (415,))


@row(Group.HTTP, "http-gzip", Level.RECOMMENDED, rfc(9110, "8.4"))
def compressed(client: Client) -> None:
    """A body with Content-Encoding: gzip is decoded, or refused with 415."""
    reply = client.post(gzip.compress(client.body()), {"Content-Encoding": "gzip"})
    if reply.status == 200:
        client.predicted(reply)
    else:
        client.is_refusal(reply, "Content-Encoding: gzip", (415,))


@row(Group.HTTP, "http-unknown-encoding", Level.RECOMMENDED, rfc(9110, "8.4"))
def unknown_encoding(client: Client) -> None:
    """A body in a Content-Encoding that the server does not know is refused with 4xx, and never read as it is."""
    client.is_refusal(client.post(client.body(), {"Content-Encoding": "seatrial"}), "Content-Encoding: seatrial")


@row(Group.HTTP, "http-chunked", Level.REQUIRED, rfc(9112, "7.1"), core=True)
def in_chunks(client: Client) -> None:
    """A body in chunks is one body."""
    body = client.body()
    half = len(body) // 2
    _predicted(client, chunked([body[:half], body[half:]]), {"Transfer-Encoding": "chunked", "Content-Length": ""})


@row(Group.HTTP, "http-chunk-extensions", Level.RECOMMENDED, rfc(9112, "7.1.1"))
def chunk_extensions(client: Client) -> None:
    """Extensions of chunks and trailers behind them, unknown to the server, are ignored."""
    framed = chunked([client.body()], b";seatrial=1", b"X-Seatrial: 1\r\n")
    _predicted(client, framed, {"Transfer-Encoding": "chunked", "Content-Length": ""})


@row(Group.HTTP, "http-chunk-broken", Level.REQUIRED, rfc(9112, "7.1"), core=True)
def chunk_broken(client: Client) -> None:
    """A chunk whose length is no number is refused with 4xx, or ends the connection."""
    headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    client.refused_or_closed(message("POST", client.target.predict, b"zz\r\n{}\r\n0\r\n\r\n", headers))
    client.healthy()


@row(Group.HTTP, "http-expect", Level.REQUIRED, rfc(9110, "10.1.1"), core=True)
def expect(client: Client) -> None:
    """A client that waits for 100 (Continue) gets it, or a final answer, before it has sent the body."""
    whole = message("POST", client.target.predict, client.body(), {"Expect": "100-continue"})
    start, _, body = whole.partition(b"\r\n\r\n")
    with client.connected() as connection:
        connection.send(start + b"\r\n\r\n")
        if connection.interim(client.limits.refusal) == 100:
            connection.send(body)
            client.predicted(connection.answer(client.limits.answer))


@row(Group.HTTP, "http-keep-alive", Level.RECOMMENDED, rfc(9112, "9.3"))
def keep_alive(client: Client) -> None:
    """One connection serves several requests."""
    with client.connected() as connection:
        for _ in range(2):
            _again(client, connection)


@row(Group.HTTP, "http-keep-alive-errors", Level.RECOMMENDED, rfc(9112, "9.3"))
def keep_alive_errors(client: Client) -> None:
    """A connection goes on after a request that was refused, or the answer says that it does not."""
    with client.connected() as connection:
        for body in (b"{", b"{}"):
            connection.send(message("POST", client.target.predict, body))
            if connection.answer(client.limits.answer).closes:
                return
        _again(client, connection)


@row(Group.HTTP, "http-no-stall", Level.RECOMMENDED, rfc(896))
def no_stall(client: Client) -> None:
    """An answer on a kept connection does not wait 40 ms for an acknowledgement: TCP_NODELAY, or one write."""
    if not Connection.CAN_ACKNOWLEDGE_AT_ONCE:
        raise NotSeenError("this system cannot acknowledge at once, and so not show what waits for it")
    with client.connected() as usual, client.connected() as prompt:
        for _ in range(_STALLED_ROUNDS):
            waited = median(_waited(client, usual, prompt) for _ in range(_PAIRS))
            if waited <= _STALL:
                return
    raise BrokenError(f"{waited * 1000:.0f} ms longer than for a client that acknowledges at once")


@row(Group.HTTP, "http-keep-alive-75", Level.RECOMMENDED, PROXY_KEEP_ALIVE, slow=True)
def keep_alive_long(client: Client) -> None:
    """An idle connection is kept for 75 s, longer than a proxy keeps its own: else requests meet a closing one."""
    with client.connected() as connection:
        if said := re.search(r"timeout=(\d+)", _again(client, connection).headers.get("keep-alive", "")):
            if int(said[1]) < client.limits.keep_alive:
                raise BrokenError(f"the server says Keep-Alive: timeout={said[1]}")
            return
        if connection.is_closed(client.limits.keep_alive):
            raise BrokenError(f"it was closed within {client.limits.keep_alive:g} s")
        _again(client, connection)


@row(Group.HTTP, "http-pipelining", Level.REQUIRED, rfc(9112, "9.3.2"), core=True)
def pipelining(client: Client) -> None:
    """Requests that are sent without waiting for answers are answered in their order."""
    one, two = (message("POST", client.target.predict, client.body(count)) for count in (1, 2))
    with client.connected() as connection:
        connection.send(one + two + one)
        for count in (1, 2, 1):
            client.predicted(connection.answer(client.limits.answer), count)


@row(Group.HTTP, "http-404", Level.RECOMMENDED, rfc(9110, "15.5.5"), core=True)
def not_found(client: Client) -> None:
    """Another path is 404."""
    client.refused(message("GET", _NOWHERE), f"GET {_NOWHERE}", (404,))


@row(Group.HTTP, "http-405", Level.RECOMMENDED, rfc(9110, "15.5.6"), core=True)
def not_allowed(client: Client) -> None:
    """GET on the predict route is 405, and Allow names POST."""
    reply = client.ask(message("GET", client.target.predict))
    if reply.status != 405 or "POST" not in reply.headers.get("allow", ""):
        raise BrokenError(f"GET {client.target.predict}: {reply}, Allow: {reply.headers.get('allow', 'missing')}")


@row(Group.HTTP, "http-no-length", Level.RECOMMENDED, rfc(9112, "6.3"), core=True)
def no_length(client: Client) -> None:
    """A POST with neither Content-Length nor chunks has no body, and is refused at once with 4xx."""
    client.is_refusal(client.ask(message("POST", client.target.predict, b"", {"Content-Length": ""})))


@row(Group.HTTP, "http-two-lengths", Level.REQUIRED, rfc(9112, "6.3"), core=True)
def two_lengths(client: Client) -> None:
    """Two different lengths of one body are refused with 4xx: a proxy before the server may read the other one."""
    body = client.body()
    twice = {"content-length": str(len(body) - 1)}
    client.refused_or_closed(message("POST", client.target.predict, body, twice))
    client.healthy()


@row(Group.HTTP, "http-length-and-chunks", Level.RECOMMENDED, rfc(9112, "6.1"), core=True)
def length_and_chunks(client: Client) -> None:
    """A body with a length and in chunks is refused with 4xx, or read in chunks and its connection closed."""
    framed = chunked([client.body()])
    with client.connected() as connection:
        connection.send(message("POST", client.target.predict, framed, {"Transfer-Encoding": "chunked"}))
        reply = connection.answer(client.limits.answer)
        if reply.status == 200:
            client.predicted(reply)
            if not connection.is_closed(client.limits.refusal):
                raise BrokenError("it was read, and the connection stays open")
        else:
            client.is_refusal(reply)


@row(Group.HTTP, "http-length-wrong", Level.REQUIRED, rfc(9112, "6.3"), core=True)
def length_wrong(client: Client) -> None:
    """A length that is no number, or negative, is refused with 4xx, or ends the connection."""
    for text in ("-5", "abc", "1e3"):
        data = message("POST", client.target.predict, b"{}", {"Content-Length": text})
        client.refused_or_closed(data, f"Content-Length: {text}")
    client.healthy()


@row(Group.HTTP, "http-413", Level.RECOMMENDED, LIMITS, core=True)
def too_large(client: Client) -> None:
    """A body that announces far more than any endpoint passes on is refused with 413 before it is read."""
    data = message("POST", client.target.predict, b"{", {"Content-Length": str(_HUGE)})
    reply = client.ask(data)
    client.is_refusal(reply, f"Content-Length: {_HUGE}", (413,))
    client.healthy()


@row(Group.HTTP, "http-413-chunks", Level.RECOMMENDED, LIMITS)
def endless(client: Client) -> None:
    """A body in chunks that goes on and on is refused with 413 on the way, or its connection closed."""
    headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    chunk = b"40000\r\n%s\r\n" % (b" " * 0x40000)
    with client.connected() as connection:
        going = connection.send(message("POST", client.target.predict, b"", headers))
        sent = 0
        while going and sent < client.limits.endless:
            going = connection.send(chunk)
            sent += 0x40000
        if going:
            connection.send(b"0\r\n\r\n")
        with contextlib.suppress(NoAnswerError):
            reply = connection.answer(client.limits.refusal)
            client.is_refusal(reply, f"{sent / 1e6:.0f} MB", (413,))
            return
        if going and not connection.is_closed(client.limits.refusal):
            raise BrokenError(f"{sent / 1e6:.0f} MB were read, and there is no answer")
    client.healthy()


@row(Group.HTTP, "http-1.0", Level.RECOMMENDED, rfc(9110, "2.5"))
def http_1_0(client: Client) -> None:
    """A request of HTTP/1.0 is answered, and the connection closed."""
    data = message("POST", client.target.predict, client.body()).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    with client.connected() as connection:
        connection.send(data)
        client.predicted(connection.answer(client.limits.answer))
        if not connection.is_closed(client.limits.refusal):
            raise BrokenError("the connection stays open")


@row(Group.HTTP, "http-no-host", Level.RECOMMENDED, rfc(9112, "3.2"), core=True)
def no_host(client: Client) -> None:
    """A request of HTTP/1.1 without Host is refused with 4xx."""
    client.refused_or_closed(message("GET", client.target.health, b"", {"Host": ""}))


@row(Group.HTTP, "http-whole-address", Level.RECOMMENDED, rfc(9112, "3.2.2"), core=True)
def whole_address(client: Client) -> None:
    """A request line with a whole address, as proxies write it, is understood."""
    reply = client.ask(message("GET", f"http://localhost{client.target.health}"), client.limits.health)
    if reply.status != 200:
        raise BrokenError(str(reply))


@row(Group.HTTP, "http-huge-header", Level.RECOMMENDED, rfc(6585, "5"), core=True)
def huge_header(client: Client) -> None:
    """A header of a megabyte is refused with 4xx, or ends the connection, and the server goes on."""
    client.refused_or_closed(message("GET", client.target.health, b"", {"X-Seatrial": "a" * 1_000_000}))
    client.healthy()


@row(Group.HTTP, "http-other-protocol", Level.REQUIRED, rfc(9112, "2.2"), core=True)
def other_protocol(client: Client) -> None:
    """What is not HTTP, such as the beginning of TLS, is refused with 4xx or ends the connection."""
    client.refused_or_closed(_TLS + b"\r\n\r\n", "TLS")
    client.refused_or_closed(b"HELLO\r\n\r\n", "a line that is no request")
    client.healthy()


@row(Group.HTTP, "http-request-id", Level.RECOMMENDED, REQUEST_ID)
def request_id(client: Client) -> None:
    """The X-Request-Id of a request is that of its answer, so that a client's log and the server's can be joined."""
    found = client.good(headers={"X-Request-Id": _ID}).headers.get("x-request-id", "missing")
    if found != _ID:
        raise BrokenError(f"X-Request-Id: {_ID} was sent, and in the answer it is {found}")


@row(Group.HTTP, "http-request-id-made", Level.RECOMMENDED, REQUEST_ID)
def request_id_made(client: Client) -> None:
    """An answer to a request without an id has a new one."""
    made = {client.good().headers.get("x-request-id", "") for _ in range(2)}
    if len(made - {""}) != 2:
        raise BrokenError(f"two answers have the ids {sorted(made)}")


def _predicted(client: Client, framed: bytes, headers: dict[str, str]) -> None:
    client.predicted(client.post(framed, headers))


def _waited(client: Client, usual: Connection, prompt: Connection) -> float:
    """Return by how many seconds an answer is later for a client that acknowledges as usual, and not at once."""
    at_once = _again(client, prompt, at_once=True).seconds
    return _again(client, usual).seconds - at_once


def _again(client: Client, connection: Connection, *, at_once: bool = False) -> Reply:
    """Send a good request on a connection that is open; its answer must be good, and is acknowledged as told."""
    if not connection.send(message("POST", client.target.predict, client.body())):
        raise BrokenError("the server has closed the connection")
    if at_once:
        connection.acknowledge_at_once()
    reply = connection.answer(client.limits.answer)
    client.predicted(reply)
    return reply
