"""The runtime's own interface: decode and preprocess one instance, predict a batch, postprocess one row.

Several threads decode and preprocess; one thread, shared by all requests, predicts. No code of the predictor runs on
the event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.serving import images, log
from seatrial.serving.answers import AnswerError, Request, call, encode, parse
from seatrial.serving.batching import Batcher
from seatrial.serving.interfaces import BATCHED
from seatrial.serving.interfaces.signatures import first_parameter, parameter_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.serving.settings import Bundle

    _Decode = Callable[[Any, int], Any]  # (instance, its index) -> what preprocess takes

T = TypeVar("T")
_IMAGE_NAMES = {"image", "img"}


def recognises(predictor: type) -> bool:
    """Return whether a class decodes instances, or its preprocess takes an image."""
    if callable(getattr(predictor, "decode", None)):
        return True
    first = first_parameter(predictor, "preprocess")
    return first is not None and (first.name in _IMAGE_NAMES or _is_image(first.annotation))


def serve(predictor: type, artifacts_uri: str, bundle: Bundle) -> Batched:
    """Create and load a predictor."""
    if not hasattr(predictor, "decode"):
        images.require_pillow()
    loaded: Any = predictor()
    loaded.load(artifacts_uri)
    return Batched(loaded, bundle)


class Batched:
    """A loaded predictor."""

    interface = BATCHED.name

    def __init__(self, loaded: Any, bundle: Bundle) -> None:
        self._loaded = loaded
        self._image = bundle.image
        self._own_decode = getattr(loaded, "decode", None)
        self._postprocess = getattr(loaded, "postprocess", None)
        self._takes_parameters = "parameters" in parameter_names(loaded.predict)
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "preprocess")
        self._batcher = Batcher(self._predict, bundle.max_batch)

    async def answer(self, body: bytes) -> bytes:
        """Answer a JSON request."""
        request = await self._in_thread(parse, body)
        return await self._answer(request, self._decode)

    async def answer_image(self, data: bytes) -> bytes:
        """Answer a request whose body is one image file."""
        if self._own_decode is not None:
            raise AnswerError(415, "this predictor decodes its own instances; send them as JSON")
        request = Request({}, [data])
        return await self._answer(request, lambda data, _: images.open_image(data, self._image))

    async def _answer(self, request: Request, decode: _Decode) -> bytes:
        instances = request.instances
        if not instances:
            return encode([], instances)
        inputs = await self._in_thread(self._prepare, instances, decode)
        rows = await asyncio.wrap_future(self._batcher.submit(inputs, request.parameters, request.parameters_key))
        return await self._in_thread(self._finish, rows, instances)

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _prepare(self, instances: list[Any], decode: _Decode) -> list[Any]:
        inputs = []
        for index, instance in enumerate(instances):  # one at a time: a decoded photo is large
            try:
                image = decode(instance, index)
            except AnswerError as error:
                raise AnswerError(error.status, error.message, index) from error.__cause__
            inputs.append(call("preprocess", self._loaded.preprocess, image, instance=index))
        return inputs

    def _decode(self, instance: Any, index: int) -> Any:
        if self._own_decode is None:
            return images.open_image(images.image_bytes(instance), self._image)
        try:
            return self._own_decode(instance)
        except BaseException as error:
            # The client's fault as a rule, the predictor's now and then: the log says which.
            message = f"decode raised {log.text_of(error)}"
            log.write("WARNING", message, phase="predict", instance=index, traceback=log.traceback_of(error))
            raise AnswerError(400, message) from error

    def _predict(self, batch: Any, parameters: Any) -> Any:
        if self._takes_parameters and parameters is not None:
            return self._loaded.predict(batch, parameters=parameters)
        return self._loaded.predict(batch)

    def _finish(self, rows: list[Any], instances: list[Any]) -> bytes:
        if self._postprocess is not None:
            rows = [call("postprocess", self._postprocess, row, instance=i) for i, row in enumerate(rows)]
        return encode(rows, instances)


def _is_image(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.strip("\"'").split(".")[-1] == "Image"
    if not inspect.isclass(annotation):
        return False
    return annotation.__name__ == "Image" and annotation.__module__.startswith("PIL.")
