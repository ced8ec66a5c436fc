"""Predict prepared inputs together: those of equal form make a batch, so that no request changes another's answer.

If a batch of several requests fails, each request is tried alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, call

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Predict = Callable[[Any], Any]  # batch -> something with a row for each input


@dataclass(frozen=True)
class Prepared:
    """An input that waits for its prediction: what preprocess made of an instance of a request."""

    request: int
    value: Any


def rows(predict: Predict, inputs: list[Prepared]) -> list[Any]:
    """Return a row for each input, or the AnswerError that its request ends with."""
    groups: dict[Hashable, list[int]] = {}
    for index, one in enumerate(inputs):
        groups.setdefault(_form(one.value), []).append(index)
    found: list[Any] = [None] * len(inputs)
    for members in groups.values():
        for index, row in zip(members, _predicted(predict, [inputs[index] for index in members]), strict=True):
            found[index] = row
    return found


def _predicted(predict: Predict, batch: list[Prepared]) -> list[Any]:
    try:
        stacked = call("stacking the batch", _stack, [one.value for one in batch])
        return call("taking predict's output apart", _split, call("predict", predict, stacked), len(batch))
    except AnswerError as error:
        requests = list(dict.fromkeys(one.request for one in batch))
        if len(requests) == 1:
            return [error] * len(batch)
        message = f"a batch of {len(requests)} requests failed, each is tried alone: {error.message}"
        log.write("WARNING", message, phase="predict", traceback=log.traceback_of(error))
    found: dict[int, Any] = {}
    for request in requests:
        members = [index for index, one in enumerate(batch) if one.request == request]
        found.update(zip(members, _predicted(predict, [batch[index] for index in members]), strict=True))
    return [found[index] for index in range(len(batch))]


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
