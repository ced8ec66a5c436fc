"""AI Platform's custom prediction routine: from_path makes the predictor, predict gets a request's instances."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, Request, call, encode
from seatrial.serving.interfaces import AI_PLATFORM
from seatrial.serving.interfaces.whole_request import WholeRequest
from seatrial.serving.optimize import optimize

if TYPE_CHECKING:
    from seatrial.serving.laps import Laps
    from seatrial.serving.settings import Bundle


def recognises(predictor: type) -> bool:
    """Return whether a class has from_path."""
    return callable(getattr(predictor, "from_path", None))


def serve(predictor: Any, artifacts_uri: str, bundle: Bundle) -> WholeRequest:
    """Create and load a predictor."""
    loaded = predictor.from_path(artifacts_uri)
    optimize(loaded, bundle.optimize)
    return WholeRequest(AI_PLATFORM, partial(_ask, loaded))


def _ask(loaded: Any, request: Request, laps: Laps) -> bytes:  # the user's own class
    instances, parameters = request.instances, request.parameters or {}
    try:
        inspect.signature(loaded.predict).bind(instances, **parameters)
    except TypeError as error:
        raise AnswerError(400, f'"parameters" does not fit the predictor: {error}') from None
    except ValueError:
        log.write("INFO", "the parameters of predict() cannot be inspected; they are passed on unchecked")
    predictions = call("predict", loaded.predict, instances, **parameters)
    laps.end("predict")
    return encode(predictions, instances)
