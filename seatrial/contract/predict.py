"""Checks of the predict route with requests that are good, in all the forms that JSON and Vertex AI allow."""

from __future__ import annotations

import json
import re
from typing import Any

from seatrial.contract.check import BrokenError, Group, Level, row
from seatrial.contract.client import Client
from seatrial.contract.sources import LIMITS, VERTEX, rfc
from seatrial.samples import variants

_WORDS = re.compile(r'"[^"\\]*"')


@row(Group.PREDICT, "predict-answers", Level.REQUIRED, VERTEX, core=True)
def answers(client: Client) -> None:
    """A good request is answered with 200 and a JSON object with the list "predictions"."""
    client.good()


@row(Group.PREDICT, "predict-length", Level.REQUIRED, VERTEX, core=True)
def length(client: Client) -> None:
    """There is one prediction for each instance, for one instance and for several."""
    for count in (2, 3):
        client.good(count)


@row(Group.PREDICT, "predict-content-type", Level.RECOMMENDED, rfc(9110, "8.3"))
def content_type(client: Client) -> None:
    """The Content-Type of an answer is application/json."""
    _is_json(client.good().content_type)


@row(Group.PREDICT, "predict-accept", Level.RECOMMENDED, rfc(9110, "12.5.1"))
def accept(client: Client) -> None:
    """Whatever Accept says, the answer is JSON, and its Content-Type says so."""
    for given in ("*/*", "application/json, text/plain;q=0.5"):
        _is_json(client.good(headers={"Accept": given}).content_type)


@row(Group.PREDICT, "predict-strict-json", Level.REQUIRED, rfc(8259, "6"))
def strict_json(client: Client) -> None:
    """An answer of 200 is never invalid JSON: no NaN and no Infinity, also not for images of one tone."""
    client.good()
    for name, data in variants.sizes(client.picture()):
        if not name.startswith("all "):
            continue
        reply = client.post(client.with_image(data))
        if reply.status == 200:
            client.predicted(reply)


@row(Group.PREDICT, "predict-empty", Level.RECOMMENDED, VERTEX, core=True, instances=True)
def empty(client: Client) -> None:
    """An empty list of instances gets an empty list of predictions, or is refused with 4xx."""
    reply = client.post(b'{"instances": []}')
    if reply.status == 200:
        client.predicted(reply, 0)
    else:
        client.is_refusal(reply)


@row(Group.PREDICT, "predict-empty-parameters", Level.REQUIRED, VERTEX)
def empty_parameters(client: Client) -> None:
    """An empty object "parameters" is as good as none."""
    client.predicted(client.post(client.body(parameters={})))


@row(Group.PREDICT, "predict-unknown-parameter", Level.RECOMMENDED, VERTEX)
def unknown_parameter(client: Client) -> None:
    """A parameter that the server does not know is ignored or refused with 4xx."""
    client.no_server_error(client.post(client.body(parameters={"seatrial_unknown": 1})))


@row(Group.PREDICT, "predict-unknown-keys", Level.RECOMMENDED, VERTEX)
def unknown_keys(client: Client) -> None:
    """Keys beside instances and parameters, such as deployedModelId, are ignored."""
    more: dict[str, Any] = {"deployedModelId": "1", "model": "m", "modelVersionId": "1", "signature_name": None}
    client.predicted(client.post(client.body(**more)))


@row(Group.PREDICT, "predict-spelling", Level.REQUIRED, rfc(8259, "7"), core=True)
def spelling(client: Client) -> None:
    r"""The same JSON in another spelling is the same request: white space, `\/`, `\u0061`, instances last."""
    request = json.loads(client.body())
    spaced = json.dumps({"note": "é", **dict(reversed(request.items()))}, indent="\t", ensure_ascii=False)
    plain = json.dumps(request)
    escaped = _WORDS.sub(lambda word: word[0].replace("/", r"\/").replace("a", r"\u0061"), plain)
    for text in (f"\r\n {spaced}\n", plain if "\\" in plain else escaped):
        client.predicted(client.post(text.encode()))


@row(Group.PREDICT, "predict-query", Level.RECOMMENDED, rfc(3986, "3.4"))
def query(client: Client) -> None:
    """A query behind the predict route does not change the answer."""
    client.predicted(client.post(client.body(), path=f"{client.target.predict}?alt=json"))


@row(Group.PREDICT, "predict-large", Level.REQUIRED, LIMITS, core=True)
def large(client: Client) -> None:
    """A request of 1.5 MB, which a shared public endpoint passes on, is read and answered."""
    client.predicted(client.post(client.body().ljust(client.limits.body)))


def _is_json(kind: str) -> None:
    if kind != "application/json" and not kind.endswith("+json"):
        raise BrokenError(f"Content-Type: {kind or 'missing'}")
