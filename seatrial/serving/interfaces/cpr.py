"""Vertex AI's custom prediction routine: load, preprocess, predict and postprocess of whole requests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from seatrial.serving.answers import AnswerError, Request, call, encode
from seatrial.serving.interfaces import CPR
from seatrial.serving.interfaces.signatures import first_parameter
from seatrial.serving.interfaces.whole_request import WholeRequest
from seatrial.serving.optimize import optimize

if TYPE_CHECKING:
    from seatrial.serving.laps import Laps, Stage
    from seatrial.serving.settings import Bundle


def recognises(predictor: type) -> bool:
    """Return whether a class is one of the SDK's, or its preprocess takes a request's body, or it has none."""
    if any(_is_sdk_predictor(base) for base in predictor.__mro__):
        return True
    preprocess = getattr(predictor, "preprocess", None)
    if preprocess is None and not callable(getattr(predictor, "decode", None)):
        return hasattr(predictor, "load") and hasattr(predictor, "predict")
    first = first_parameter(predictor, "preprocess")
    return first is not None and first.name in CPR.preprocesses


def serve(predictor: type, artifacts_uri: str, bundle: Bundle) -> WholeRequest:
    """Create and load a predictor."""
    loaded: Any = predictor()
    loaded.load(artifacts_uri)
    optimize(loaded, bundle.optimize)
    return WholeRequest(CPR, partial(_ask, loaded))


def _is_sdk_predictor(base: type) -> bool:
    return base.__name__ == "Predictor" and base.__module__.startswith("google.cloud.aiplatform.")


_STEPS: tuple[Stage, ...] = ("preprocess", "predict", "postprocess")


def _ask(loaded: Any, request: Request, laps: Laps) -> bytes:  # the user's own class
    instances = list(request.instances)  # preprocess may change the request in place
    given: Any = request.body
    for step in _STEPS:
        if hasattr(loaded, step):
            given = call(step, getattr(loaded, step), given)
            laps.end(step)
    if not isinstance(given, dict) or "predictions" not in given:
        what = type(given).__name__
        if isinstance(given, dict):
            what = f"a dict with the keys {sorted(map(str, given))}"
        raise AnswerError(500, f'the predictor returned {what}; it must return a dict with "predictions"')
    others = {key: value for key, value in given.items() if key != "predictions"}
    return encode(given["predictions"], instances, others)
