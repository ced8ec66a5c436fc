"""Answers that are no JSON: numbers and arrays of numpy and torch, as each writer of JSON names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import asker
from seatrial.diagnosis.raised import Owner
from seatrial.rules.serving.contract import FAILED
from seatrial.rules.serving.predicting import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised

_TYPES = (
    re.compile(r"Object of type (?P<type>[\w.]+) is not JSON serializable"),  # json
    re.compile(r"Type is not JSON serializable: (?P<type>[\w.]+)"),  # orjson
    re.compile(r"Unable to serialize unknown type: <class '(?P<type>[\w.]+)'>"),  # pydantic
    re.compile(r"\[TypeError\([\"']+'?(?P<type>[\w.]+)'? object is not iterable"),  # fastapi
    re.compile(r"(?P<type>(?:numpy\.)?\w+) is not JSON serializable"),
    re.compile(r"keys must be str, int, float, bool or None, not (?P<type>\w+)"),
)
_OF_NUMPY = re.compile(r"^(?:float(?:16|32|64)|u?int(?:8|16|32|64)|bool_?|str_|int_|float_|generic|datetime64)$")
_HOW = {
    "ndarray": "use array.tolist()", "Tensor": "use tensor.tolist(), or tensor.item() for one number",
    "set": "write list(…) of the set", "bytes": "encode the bytes: base64.b64encode(data).decode()",
    "PosixPath": "write str(path)", "datetime": "write value.isoformat()", "Image": "encode the image and its bytes "
        "as base64",
    "Decimal": "write float(value)", "DataFrame": 'use frame.to_dict("records")', "Series": "use series.tolist()",
}  # fmt: skip


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what a writer of JSON refuses."""
    if raised.name not in ("TypeError", "ValueError", "PydanticSerializationError", "JSONEncodeError"):
        return
    found = next((m for pattern in _TYPES if (m := pattern.search(raised.message))), None)
    frame = asker(raised)
    if found is None or (frame is not None and frame.owner is Owner.SERVER):  # a server says itself what it makes of it
        return
    kind = found["type"].rpartition(".")[2]
    of_numpy = "numpy." in found["type"] or bool(_OF_NUMPY.match(kind))
    key = "keys must be" in raised.message
    shown = f"{kind}" + (" of numpy" if of_numpy and not key else "")
    rule = NOT_JSON if of_numpy or kind in ("ndarray", "Tensor", "bfloat16") else FAILED
    finding = rule.finding(
        f"a key in the answer is a {kind}, which is not JSON; use .item() or str(…) for keys"
        if key
        else f"the answer holds a {kind}, which is not JSON; use .tolist() or .item()"
        if of_numpy or kind in ("ndarray", "Tensor")
        else f"the answer holds a {kind}, which is not JSON; return plain lists, dicts, text and numbers",
        cause=f"a value of the type {shown} is not a number, text, list or dictionary of Python",
        fix=_HOW.get(kind)
        or ("convert it: float(x), int(x) or x.item()" if of_numpy else "convert it before it is returned"),
    )
    yield Diagnosis(finding, "the writer of JSON names the type", raised.position)
