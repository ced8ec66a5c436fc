"""The three interfaces behind one face: a request's body in, the encoded answer out.

Every call of the predictor's code happens in a thread, never on the event loop. Whole-request interfaces (CPR
and AI Platform) were written for one request at a time and get one thread; the batched one decodes and
preprocesses in several threads and shares one for inference.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from seatrial.serving import images, log
from seatrial.serving.answers import AnswerError, Request, call, encode, parse
from seatrial.serving.batching import Batcher
from seatrial.serving.interfaces import AI_PLATFORM, BATCHED, interface_of, parameter_names
from seatrial.serving.settings import artifacts_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.serving.settings import Bundle, Contract

    _Decode = Callable[[Any, int], Any]  # (instance, its index) -> what preprocess takes

T = TypeVar("T")


class Served(Protocol):
    """A loaded predictor. Both methods give the encoded answer or raise AnswerError."""

    interface: str

    async def answer(self, body: bytes) -> bytes:
        """Answer a JSON request."""

    async def answer_image(self, data: bytes) -> bytes:
        """Answer a request whose body is one image file."""


def load(bundle: Bundle, contract: Contract) -> Served:
    """Import, create and load the predictor. Whatever its code raises goes through unchanged."""
    module, _, name = bundle.predictor.partition(":")
    predictor = getattr(importlib.import_module(module), name)
    interface = interface_of(predictor, bundle.interface)
    uri = artifacts_uri(bundle, contract, interface)
    if interface == BATCHED:
        if not hasattr(predictor, "decode"):
            images.require_pillow()
        loaded = predictor()
        loaded.load(uri)
        return _Batched(loaded, bundle)
    if interface == AI_PLATFORM:
        return _WholeRequest(interface, partial(_ask_ai_platform, predictor.from_path(uri)))
    loaded = predictor()
    loaded.load(uri)
    return _WholeRequest(interface, partial(_ask_cpr, loaded))


class _WholeRequest:
    """An interface that gets a request whole and answers it whole, one at a time."""

    def __init__(self, interface: str, ask: Callable[[Request], bytes]) -> None:
        self.interface = interface
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, "inference")

    async def answer(self, body: bytes) -> bytes:
        request = await asyncio.to_thread(parse, body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, request)

    async def answer_image(self, data: bytes) -> bytes:  # noqa: ARG002 - the face of all interfaces
        raise AnswerError(415, f"a predictor of the {self.interface} interface takes JSON, not an image")


def _ask_ai_platform(loaded: Any, request: Request) -> bytes:  # the user's own class
    instances, parameters = request.instances, request.parameters or {}
    try:
        inspect.signature(loaded.predict).bind(instances, **parameters)
    except TypeError as error:
        raise AnswerError(400, f'"parameters" does not fit the predictor: {error}') from None
    except ValueError:
        log.write("INFO", "predict() does not tell its parameters; they are passed on unchecked")
    return encode(call("predict", loaded.predict, instances, **parameters), instances)


def _ask_cpr(loaded: Any, request: Request) -> bytes:
    instances = list(request.instances)  # preprocess may change the request in place
    given: Any = request.body
    for step in ("preprocess", "predict", "postprocess"):
        if hasattr(loaded, step):
            given = call(step, getattr(loaded, step), given)
    if not isinstance(given, dict) or "predictions" not in given:
        what = type(given).__name__
        if isinstance(given, dict):
            what = f"a dict with the keys {sorted(map(str, given))}"
        raise AnswerError(500, f'the predictor answered {what}; it must be a dict that holds "predictions"')
    others = {key: value for key, value in given.items() if key != "predictions"}
    return encode(given["predictions"], instances, others)


class _Batched:
    """The batched interface: decode and preprocess by instance, predict by batch, postprocess by instance."""

    interface = BATCHED

    def __init__(self, loaded: Any, bundle: Bundle) -> None:
        self._loaded = loaded
        self._image = bundle.image
        self._own_decode = getattr(loaded, "decode", None)
        self._postprocess = getattr(loaded, "postprocess", None)
        self._takes_parameters = "parameters" in parameter_names(loaded.predict)
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "preprocess")
        self._batcher = Batcher(self._predict, bundle.max_batch)

    async def answer(self, body: bytes) -> bytes:
        request = await self._in_thread(parse, body)
        return await self._answer(request, self._decode)

    async def answer_image(self, data: bytes) -> bytes:
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
            # The client's fault as a rule, the predictor's now and then: the log tells which.
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
