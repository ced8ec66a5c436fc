"""JSON in and out: requests are parsed strictly, answers are always valid JSON, errors have one shape.

msgspec reads what nearly everybody sends. What it refuses, the standard library decides and puts into words; the two
agree on all that both take (duplicate keys, large integers, floats), which the tests show.

Nothing here knows the predictor. Values of NumPy and torch are recognised by their method `tolist`; neither is
imported.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from seatrial.serving import log
from seatrial.serving.frames import Result
from seatrial.serving.refusal import AnswerError as AnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A parsed request.

    Attributes:
        body: the whole object that was sent.
        instances: its list "instances".
        parameters: its object "parameters", or None.
    """

    body: dict[str, Any]
    instances: list[Any]
    parameters: dict[str, Any] | None = None


class _Sliced(msgspec.Struct):
    instances: list[msgspec.Raw]
    parameters: msgspec.Raw = msgspec.Raw(b"null")


_sliced = msgspec.json.Decoder(_Sliced).decode


@dataclass(frozen=True)
class Slices:
    """A request whose instances are not parsed yet.

    Attributes:
        instances: the JSON of each.
        parameters: their JSON with its keys in order, so that equal parameters are equal text; b"" for none.
    """

    instances: list[bytes]
    parameters: bytes


def slices(body: bytes) -> Slices:
    """Cut a request into the JSON of its instances.

    Raises:
        AnswerError: status 400, with what is wrong; what is wrong within an instance is found with the instance.
    """
    try:
        sliced = _sliced(body)
        parameters = _parameters(bytes(sliced.parameters))
        instances = [bytes(raw) for raw in sliced.instances]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        request = _parse_object(body)
        parameters = request.get("parameters")
        instances = [json.dumps(instance).encode() for instance in request["instances"]]
    if parameters is None:
        return Slices(instances, b"")
    return Slices(instances, _key_of(parameters).encode())


def _parameters(text: bytes) -> Any:
    # Nearly nobody sends any, and json makes a parser of its own for each call with `parse_constant`.
    return None if text == b"null" else json.loads(text, parse_constant=_no_constant)


def parse(body: bytes) -> Request:
    """Parse a request: a JSON object with the list `instances` and perhaps the object `parameters`.

    Raises:
        AnswerError: status 400, with what is wrong.
    """
    request = _parse_object(body)
    parameters = request.get("parameters")
    _key_of(parameters)
    return Request(request, request["instances"], parameters)


def _key_of(parameters: object) -> str:
    """Return parameters as text that is the same for the same parameters, and differs for 1, 1.0 and True."""
    if not isinstance(parameters, (dict, type(None))):
        raise AnswerError(400, f'"parameters" is {_kind(parameters)}, not an object')
    try:
        return json.dumps(parameters, sort_keys=True)
    except RecursionError:  # writing takes more of the stack than reading
        raise AnswerError(400, '"parameters" is nested too deeply') from None


def loads(data: bytes, what: str = "the instance") -> Any:
    """Parse JSON strictly.

    Raises:
        AnswerError: status 400, with what is wrong.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass  # it is stricter in few things, such as numbers beyond the range of floats
    try:
        return json.loads(data, parse_constant=_no_constant)
    except RecursionError:
        raise AnswerError(400, f"{what} is nested too deeply") from None
    except ValueError as error:
        raise AnswerError(400, f"{what} is not JSON: {error}") from None


def _parse_object(body: bytes) -> dict[str, Any]:
    request = loads(body, "the body")
    if not isinstance(request, dict):
        raise AnswerError(400, f'the body is {_kind(request)}, not an object {{"instances": [...]}}')
    if "instances" not in request:
        raise AnswerError(400, 'the body has no list "instances"')
    if not isinstance(request["instances"], list):
        raise AnswerError(400, f'"instances" is {_kind(request["instances"])}, not a list')
    return request


def call(what: str, function: Callable[..., T], *args: object, instance: int | None = None, **kwargs: object) -> T:
    """Call the predictor's code; anything it raises, even SystemExit, fails this request and no other.

    Raises:
        AnswerError: status 500, caused by what was raised.
    """
    try:
        return function(*args, **kwargs)
    except AnswerError:
        raise
    except BaseException as error:
        raise AnswerError(500, f"{what} raised {type(error).__name__}: {_text(error)}", instance) from error


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the predictor's own exception class; the traceback says what it can
        return "(its text cannot be read)"


def encode(predictions: object, instances: Sequence[object], others: dict[str, object] | None = None) -> bytes:
    """Encode an answer: one prediction for each instance, and what else a CPR predictor put beside them.

    Raises:
        AnswerError: status 500; not a list, not one for each instance, or a value that JSON does not have.
    """
    tolist = getattr(predictions, "tolist", None)
    rows = call("predictions.tolist()", tolist) if tolist else predictions
    if not isinstance(rows, (list, tuple)):
        raise AnswerError(500, f"the predictions are {_kind(rows)}, not a list with one for each instance")
    if len(rows) != len(instances):
        raise AnswerError(500, f"the predictor gave {len(rows)} predictions for {len(instances)} instances")
    texts = ",".join(_dump(f"predictions[{i}]", row, i) for i, row in enumerate(rows))
    beside = (others or {}).items()
    rest = "".join(f",{json.dumps(str(key))}:{_dump(str(key), value)}" for key, value in beside)
    return f'{{"predictions":[{texts}]{rest}}}'.encode()


def encode_one(prediction: object, index: int) -> bytes:
    """Encode the prediction for one instance.

    Raises:
        AnswerError: status 500; a value that JSON does not have.
    """
    return _dump(f"predictions[{index}]", prediction, index).encode()


def failure(error: AnswerError, index: int | None = None) -> Result:
    """Return the result of an item that failed; `index` is the instance's where the error does not know it."""
    traceback = log.traceback_of(error) if error.status >= 500 else ""
    instance = index if error.instance is None else error.instance
    return Result(error.status, message=error.message, instance=instance, traceback=traceback)


def encode_error(error: AnswerError) -> bytes:
    """Encode an error: `{"error": {"code": 400, "message": "...", "instance": 3}}`."""
    body: dict[str, object] = {"code": error.status, "message": error.message}
    if error.instance is not None:
        body["instance"] = error.instance
    return json.dumps({"error": body}).encode()


def _dump(where: str, value: object, instance: int | None = None) -> str:
    try:
        return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))
    except Exception as error:  # a value's own tolist() may raise anything
        raise AnswerError(500, f"{where} cannot be written as JSON: {_text(error)}", instance) from error


def _plain(value: object) -> object:
    """Turn arrays, tensors and their scalars into Python's own lists and numbers, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds NaN or Infinity, which JSON does not have")
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    tolist = getattr(value, "tolist", None)
    if tolist is None:
        raise TypeError(f"it holds {_kind(value)}")
    return _plain(tolist())


def _plain_key(key: object) -> object:
    tolist = getattr(key, "tolist", None)
    return tolist() if tolist else key


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _kind(value: object) -> str:
    """Name a value's type in the words of JSON where JSON has it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    names.update({int: "a number", float: "a number"})
    return names.get(type(value), f"a value of the type {type(value).__name__}")
