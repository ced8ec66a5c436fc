"""One inference thread that all requests share: what is pending goes through `predict` together.

A batch holds instances of equal parameters, shape and dtype, so no request changes another's answer. Nothing waits
for a batch to fill: a lone request is a batch of its own. If a shared batch fails, each request is tried alone.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, call

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Predict = Callable[[Any, Any], Any]  # (batch, parameters) -> something with a row for each instance


class Batcher:
    """Runs `predict` in a thread of its own on batches of at most `max_batch` instances."""

    def __init__(self, predict: Predict, max_batch: int) -> None:
        self._predict = predict
        self._max_batch = max_batch
        self._pending: deque[tuple[_Job, int]] = deque()
        self._some = threading.Condition()
        threading.Thread(target=self._run, name="inference", daemon=True).start()

    def submit(self, inputs: list[Any], parameters: Any, key: str) -> Future[list[Any]]:  # the user's own types
        """Queue the inputs of one request (at least one); the future returns one row for each.

        `key` is equal for equal parameters only (see `seatrial.serving.answers.Request`). The future raises
        AnswerError if `predict` raises or returns another number of rows, or an input is not a tensor.
        """
        job = _Job(inputs, parameters, key)
        with self._some:
            self._pending.extend((job, index) for index in range(len(inputs)))
            self._some.notify()
        return job.future

    def _run(self) -> None:
        while True:
            with self._some:
                self._some.wait_for(lambda: self._pending)
                batch = self._take()
            if batch:
                self._answer(batch)

    def _take(self) -> list[tuple[_Job, int]]:
        """Take the oldest instance and those that may share its batch; the others keep their order."""
        batch: list[tuple[_Job, int]] = []
        others: list[tuple[_Job, int]] = []
        while self._pending and len(batch) < self._max_batch:
            job, index = self._pending.popleft()
            if job.future.done():
                continue  # it failed with an earlier batch
            fits = not batch or job.keys[index] == batch[0][0].keys[batch[0][1]]
            (batch if fits else others).append((job, index))
        self._pending.extendleft(reversed(others))
        return batch

    def _answer(self, batch: list[tuple[_Job, int]]) -> None:
        jobs = list(dict.fromkeys(job for job, _ in batch))
        try:
            rows = self._rows(batch)
        except AnswerError as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            message = f"a batch of {len(jobs)} requests failed, each is tried alone: {error.message}"
            log.write("WARNING", message, phase="predict", traceback=log.traceback_of(error))
            for one in jobs:
                self._answer([(job, index) for job, index in batch if job is one])
            return
        for (job, index), row in zip(batch, rows, strict=True):
            job.rows[index] = row
        for job in jobs:
            if len(job.rows) == len(job.inputs):
                job.future.set_result([job.rows[index] for index in range(len(job.inputs))])

    def _rows(self, batch: list[tuple[_Job, int]]) -> list[Any]:
        inputs = [job.inputs[index] for job, index in batch]
        stacked = call("stacking the batch", _stack, inputs)
        output = call("predict", self._predict, stacked, batch[0][0].parameters)
        return call("taking predict's output apart", _split, output, len(inputs))


class _Job:
    """One request in progress: the rows it already has, by index."""

    def __init__(self, inputs: list[Any], parameters: Any, key: str) -> None:
        self.inputs = inputs
        self.parameters = parameters
        self.keys: list[Hashable] = [(key, *_form(one)) for one in inputs]
        self.rows: dict[int, Any] = {}
        self.future: Future[list[Any]] = Future()
        self.future.set_running_or_notify_cancel()  # from here on it cannot be cancelled while the thread uses it


def _form(one: Any) -> tuple[str, ...]:
    parts = (getattr(one, "shape", None), getattr(one, "dtype", None), getattr(one, "device", None))
    return (type(one).__qualname__, *(str(part) for part in parts))


def _stack(inputs: list[Any]) -> Any:
    """Stack tensors or arrays along a new first dimension, with the library that they come from."""
    if hasattr(inputs[0], "new_empty"):  # a torch.Tensor or a subclass of it
        import torch  # the predictor has imported it long ago

        return torch.stack(inputs)
    if hasattr(inputs[0], "__array_interface__") and hasattr(inputs[0], "shape"):
        import numpy as np

        return np.stack(inputs)
    name = type(inputs[0]).__name__
    raise AnswerError(500, f"preprocess returned {name}; the batched interface stacks tensors or arrays")


def _split(output: Any, count: int) -> list[Any]:
    if isinstance(output, dict):
        raise AnswerError(500, "predict returned a dict; the batched interface needs a row for each instance")
    if len(output) != count:
        raise AnswerError(500, f"predict gave {len(output)} rows for {count} instances")
    return [output[index] for index in range(count)]
