"""The runtime's own interface: decode and preprocess one instance, predict a batch, postprocess one row.

A job is done from the bytes of its instances to the bytes of its predictions, so that no more images are decoded at a
time than one batch has.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from seatrial.serving import groups, images, log
from seatrial.serving.answers import AnswerError, call, encode_one, failure, loads
from seatrial.serving.frames import Result, Results
from seatrial.serving.groups import Prepared
from seatrial.serving.interfaces import BATCHED
from seatrial.serving.interfaces.signatures import first_parameter, parameter_names
from seatrial.serving.laps import Laps
from seatrial.serving.optimize import optimize

if TYPE_CHECKING:
    from seatrial.serving.frames import Item, Job
    from seatrial.serving.settings import Bundle


def recognises(predictor: type) -> bool:
    """Return whether a class decodes instances, or its preprocess takes an image."""
    if callable(getattr(predictor, "decode", None)):
        return True
    first = first_parameter(predictor, "preprocess")
    return first is not None and (first.name in BATCHED.preprocesses or _is_image(first.annotation))


def serve(predictor: type, artifacts_uri: str, bundle: Bundle) -> Batched:
    """Create and load a predictor."""
    if not hasattr(predictor, "decode"):
        images.require_pillow()
    loaded: Any = predictor()
    loaded.load(artifacts_uri)
    optimize(loaded, bundle.optimize)
    return Batched(loaded, bundle)


class Batched:
    """A loaded predictor."""

    interface = BATCHED.name
    splits = True

    def __init__(self, loaded: Any, bundle: Bundle) -> None:
        self._loaded = loaded
        self._image = bundle.image
        self._own_decode = getattr(loaded, "decode", None)
        self._postprocess = getattr(loaded, "postprocess", None)
        self._takes_parameters = "parameters" in parameter_names(loaded.predict)
        self.no_image = "this predictor decodes its own instances; send them as JSON" if self._own_decode else ""

    def answer(self, job: Job) -> Results:
        """Answer each instance."""
        laps = Laps()
        parameters = loads(job.parameters) if job.parameters else None
        results: list[Result | None] = [None] * len(job.items)
        inputs: dict[int, Prepared] = {}
        for at, item in enumerate(job.items):
            log.about(job.origins[item.request])
            prepared = self._prepared(item, laps)
            if isinstance(prepared, Result):
                results[at] = prepared
            else:
                inputs[at] = prepared
        log.about(*job.origins.values())
        rows = groups.rows(lambda batch: self._predict(batch, parameters), list(inputs.values()))
        laps.end("predict")
        for at, row in zip(inputs, rows, strict=True):
            log.about(job.origins[job.items[at].request])
            results[at] = self._finish(row, job.items[at].index)
        laps.end("postprocess")
        return Results([result for result in results if result is not None], laps.seconds)

    def _prepared(self, item: Item, laps: Laps) -> Prepared | Result:
        """Return what preprocess makes of an instance, or the result that it ends with."""
        try:
            image = images.open_image(item.data, self._image) if item.is_image else self._decode(item)
            laps.end("decode")
            value = call("preprocess", self._loaded.preprocess, image, instance=item.index)
            laps.end("preprocess")
        except AnswerError as error:
            return failure(error, item.index)
        return Prepared(item.request, value)

    def _decode(self, item: Item) -> Any:
        instance = loads(item.data)
        if self._own_decode is None:
            return images.open_image(images.image_bytes(instance), self._image)
        try:
            return self._own_decode(instance)
        except BaseException as error:
            # The client's fault as a rule, the predictor's now and then: the log says which.
            message = f"decode raised {log.text_of(error)}"
            log.write("WARNING", message, phase="predict", instance=item.index, traceback=log.traceback_of(error))
            raise AnswerError(400, message) from error

    def _predict(self, batch: Any, parameters: Any) -> Any:
        if self._takes_parameters and parameters is not None:
            return self._loaded.predict(batch, parameters=parameters)
        return self._loaded.predict(batch)

    def _finish(self, row: Any, index: int) -> Result:
        """Return the result of a row; one that is an AnswerError never became a row."""
        try:
            if isinstance(row, AnswerError):
                raise row
            if self._postprocess is not None:
                row = call("postprocess", self._postprocess, row, instance=index)
            return Result(200, encode_one(row, index))
        except AnswerError as error:
            return failure(error)


def _is_image(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.strip("\"'").split(".")[-1] == "Image"
    if not inspect.isclass(annotation):
        return False
    return annotation.__name__ == "Image" and annotation.__module__.startswith("PIL.")
