"""Checks with bodies that are no good request: each is the client's fault, is said to be it, and harms nobody else."""

from __future__ import annotations

import json
import re
from typing import Any

from seatrial.contract.check import BrokenError, Group, Level, row
from seatrial.contract.client import Client
from seatrial.contract.sources import TRACEBACKS, VERTEX, rfc
from seatrial.contract.wire import Reply, message

_DEEP = 100_000
_DIGITS = 10_000  # Python reads 4,300 at most: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
_AT = 7  # the index of the bad instance among good ones
_BAD_REQUEST = rfc(9110, "15.5.1")


def _refused(client: Client, *bodies: bytes) -> None:
    """Send bodies that must be refused, each of them, and see that the server still answers."""
    for body in bodies:
        shown = body[:40].decode("latin-1") + ("..." if len(body) > 40 else "")
        client.refused(message("POST", client.target.predict, body), shown or "an empty body")
    client.healthy()


@row(Group.BODIES, "body-empty", Level.REQUIRED, _BAD_REQUEST, core=True)
def empty(client: Client) -> None:
    """A request without a body is refused with 4xx."""
    _refused(client, b"")


@row(Group.BODIES, "body-not-json", Level.REQUIRED, _BAD_REQUEST, core=True)
def not_json(client: Client) -> None:
    """A body that is not JSON, or breaks off, is refused with 4xx."""
    _refused(client, b"hello", b'{"instances": [', b'{"instances": [],}', b"{'instances': []}")


@row(Group.BODIES, "body-not-utf-8", Level.REQUIRED, rfc(8259, "8.1"), core=True)
def not_utf_8(client: Client) -> None:
    """A body that is not UTF-8 is refused with 4xx."""
    _refused(client, b'{"instances": ["\xff\xfe\xfa"]}')


@row(Group.BODIES, "body-not-an-object", Level.REQUIRED, VERTEX, core=True)
def not_an_object(client: Client) -> None:
    """A body that is another JSON value than an object is refused with 4xx."""
    _refused(client, b"[]", b"3", b'"instances"', b"null", b"true")


@row(Group.BODIES, "body-no-instances", Level.REQUIRED, VERTEX, core=True)
def no_instances(client: Client) -> None:
    """A body without the key "instances" is refused with 4xx."""
    _refused(client, b"{}", b'{"inputs": []}', b'{"parameters": {}}')


@row(Group.BODIES, "body-instances-not-a-list", Level.REQUIRED, VERTEX, core=True)
def instances_not_a_list(client: Client) -> None:
    """A body whose "instances" are no list is refused with 4xx."""
    _refused(client, *(b'{"instances": %s}' % value for value in (b"{}", b'"x"', b"3", b"null", b"true")))


@row(Group.BODIES, "body-parameters-not-an-object", Level.RECOMMENDED, VERTEX, core=True)
def parameters_not_an_object(client: Client) -> None:
    """A body whose "parameters" are no object is refused with 4xx."""
    _refused(client, *(client.body(parameters=value) for value in (3, "x", [1])))


@row(Group.BODIES, "body-nan", Level.RECOMMENDED, rfc(8259, "6"), core=True)
def nan(client: Client) -> None:
    """NaN and Infinity, which JSON does not have, are refused with 4xx."""
    _refused(client, *(client.body()[:-1] + b', "more": %s}' % name for name in (b"NaN", b"-Infinity")))


@row(Group.BODIES, "body-infinite-number", Level.RECOMMENDED, rfc(8259, "6"), core=True)
def infinite_number(client: Client) -> None:
    """A number that no float holds, such as 1e999, is no error of the server."""
    client.no_server_error(client.post(client.body()[:-1] + b', "more": 1e999}'))


@row(Group.BODIES, "body-big-integer", Level.REQUIRED, rfc(8259, "6"), core=True)
def big_integer(client: Client) -> None:
    """An integer of ten thousand digits is no error of the server."""
    client.no_server_error(client.post(client.body()[:-1] + b', "more": %s}' % (b"9" * _DIGITS)))
    client.healthy()


@row(Group.BODIES, "body-duplicate-keys", Level.RECOMMENDED, rfc(8259, "4"), core=True)
def duplicate_keys(client: Client) -> None:
    """A key that comes twice is no error of the server."""
    body = client.body()
    client.no_server_error(client.post(body[:-1] + b", " + body[1:]))


@row(Group.BODIES, "body-deep", Level.REQUIRED, rfc(8259, "9"), core=True)
def deep(client: Client) -> None:
    """A body that is nested a hundred thousand times is refused with 4xx, and the server goes on."""
    _refused(client, b"[" * _DEEP, b'{"instances": ' + b"[" * _DEEP + b"]" * _DEEP + b"}")


@row(Group.BODIES, "body-deep-parameters", Level.REQUIRED, rfc(8259, "9"), core=True)
def deep_parameters(client: Client) -> None:
    """Parameters that are nested deeply are no error of the server, and it goes on."""
    for depth in (300, 900, 1_000, _DEEP):
        nested = b"[" * depth + b"]" * depth
        body = client.body()[:-1] + b', "parameters": {"a": %s}}' % nested
        client.no_server_error(client.post(body), f"{depth} levels")
    client.healthy()


@row(Group.BODIES, "body-surrogate", Level.RECOMMENDED, rfc(8259, "8.2"), core=True)
def surrogate(client: Client) -> None:
    r"""Half a character, such as `\ud800`, in a text is no error of the server."""
    client.no_server_error(client.post(client.body()[:-1] + b', "more": "\\ud800"}'))


@row(Group.BODIES, "body-error-json", Level.RECOMMENDED, VERTEX, core=True)
def error_json(client: Client) -> None:
    """What is wrong is said in JSON, with the Content-Type application/json."""
    for reply in _errors(client):
        try:
            reply.json()
        except (ValueError, RecursionError):
            raise BrokenError(f"the answer is not JSON: {reply}") from None
        if reply.content_type != "application/json" and not reply.content_type.endswith("+json"):
            raise BrokenError(f"Content-Type: {reply.content_type or 'missing'}: {reply}")


@row(Group.BODIES, "body-error-private", Level.RECOMMENDED, TRACEBACKS, core=True)
def error_private(client: Client) -> None:
    """An error shows the client no traceback of the server's code."""
    for reply in _errors(client):
        if b"Traceback (most recent call last)" in reply.body or re.search(rb'File "[^"]+\.py"', reply.body):
            raise BrokenError(f"it shows a traceback: {reply}")


def _errors(client: Client) -> list[Reply]:
    return [client.post(body) for body in (b"{", b"{}", b'{"instances": 3}')]


@row(Group.BODIES, "instance-wrong-type", Level.REQUIRED, _BAD_REQUEST, instances=True)
def wrong_type(client: Client) -> None:
    """An instance of another type than the good ones is refused with 4xx."""
    good = client.target.instances[0] if client.target.instances else None
    kinds: tuple[Any, ...] = (None, 3, True, [], {}, "")
    others = [value for value in kinds if type(value) is not type(good)]
    _refused(client, *(json.dumps({"instances": [value]}).encode() for value in others))


@row(Group.BODIES, "instance-index", Level.RECOMMENDED, _BAD_REQUEST, instances=True)
def index(client: Client) -> None:
    """A bad instance among good ones is refused with 4xx, and the answer names its index."""
    request = json.loads(client.body(_AT + 2))
    request["instances"][_AT] = None
    reply = client.post(json.dumps(request).encode())
    client.is_refusal(reply)
    if not re.search(rf"\b{_AT}\b", reply.body.decode("utf-8", "replace")):
        raise BrokenError(f"instance {_AT} is bad, and the answer does not name it: {reply}")


@row(Group.BODIES, "instance-others-untouched", Level.REQUIRED, VERTEX, instances=True)
def others_untouched(client: Client) -> None:
    """A bad instance fails only its own request, and none of those that are sent at the same time."""
    good = client.body()
    bad = json.dumps({"instances": [None]}).encode()
    for _ in range(4):
        replies = client.at_once([good, bad, good, bad, good])
        for reply in replies[::2]:
            client.predicted(reply)
