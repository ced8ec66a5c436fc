"""What `seatrial.serving.weights` does to models: run with a Python that has torch, it writes case → failure, or "".

The tests' own environment has no torch; tests/serving/test_weights.py runs this once.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from seatrial.serving.weights import share

CASES: dict[str, Callable[[], None]] = {}
SIDE = 256  # 256 kB of float32


def case(function: Callable[[], None]) -> Callable[[], None]:
    CASES[function.__name__] = function
    return function


def file() -> int:
    return os.memfd_create("weights")


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(SIDE, SIDE), nn.ReLU(), nn.Linear(SIDE, SIDE, bias=False)).eval()


def mapped(tensor: torch.Tensor) -> bool:
    """Return whether a tensor lies in a mapping of the file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= tensor.data_ptr() < end:
            return "memfd:weights" in line
    return False


@case
def equal_weights_lie_in_the_file_once_and_answers_stay() -> None:
    descriptor, first, second = file(), net(), net()
    image = torch.ones(2, SIDE)
    before = first(image)
    share(descriptor)
    size = os.fstat(descriptor).st_size
    assert 2 * SIDE * SIDE * 4 < size < 3 * SIDE * SIDE * 4, size
    assert torch.equal(first(image), before)
    assert torch.equal(second(image), before)
    assert mapped(first[0].weight)
    assert mapped(second[2].weight)
    assert not mapped(first[0].bias)  # too small
    share(descriptor)
    assert os.fstat(descriptor).st_size == size


@case
def who_writes_to_a_weight_changes_nothing_for_others() -> None:
    descriptor, first, second = file(), net(), net()
    share(descriptor)
    before = second[0].weight.clone()
    with torch.no_grad():
        first[0].weight += 1
    assert torch.equal(second[0].weight, before)
    assert torch.equal(first[0].weight, before + 1)


@case
def weights_that_differ_only_at_their_end_are_two() -> None:
    descriptor, first, second = file(), net(), net()
    with torch.no_grad():
        second[0].weight[-1, -1] += 1
    share(descriptor)
    assert first[0].weight[-1, -1] + 1 == second[0].weight[-1, -1]


@case
def tied_transposed_and_half_weights_stay_what_they_are() -> None:
    model = net()
    model[2].weight = model[0].weight
    model.register_buffer("turned", model[0].weight.detach().t()[3:])
    model.register_buffer("short", torch.randn(SIDE, SIDE).to(torch.bfloat16))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    strides = model.turned.stride()
    share(file())
    assert model[2].weight is model[0].weight
    assert model.turned.stride() == strides
    assert model.turned.untyped_storage().data_ptr() == model[0].weight.untyped_storage().data_ptr()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.short.dtype == torch.bfloat16
    assert mapped(model.short)


@case
def what_cannot_be_shared_is_left() -> None:
    lazy = nn.LazyLinear(SIDE)
    with torch.inference_mode():
        frozen = net()
    traced = torch.jit.freeze(torch.jit.trace(net(), torch.ones(1, SIDE)))
    empty = nn.Linear(SIDE, SIDE, device="meta")
    before = traced(torch.ones(1, SIDE))
    share(file())
    assert torch.equal(traced(torch.ones(1, SIDE)), before)
    with torch.inference_mode():
        assert frozen(torch.ones(1, SIDE)).shape == (1, SIDE)
    assert lazy(torch.ones(1, 3)).shape == (1, SIDE)
    assert empty.weight.is_meta


@case
def without_a_file_nothing_happens() -> None:
    model = net()
    assert share(-1) == 0
    assert not mapped(model[0].weight)


if __name__ == "__main__":
    failures = dict.fromkeys(CASES, "")
    for name, function in CASES.items():
        try:
            function()
        except Exception:  # noqa: BLE001 - told by the test
            failures[name] = traceback.format_exc()
    Path(sys.argv[1]).write_text(json.dumps(failures), encoding="utf-8")
