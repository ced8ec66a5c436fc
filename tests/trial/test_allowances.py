"""By how much a stage may differ: nothing before the model, unless another processor rounds in another way."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.project import SmokeSettings
from seatrial.trial.allowances import Allowances

SAME = {"cpu": "AVX512"}


def permits(stage: dict[str, Any], now: dict[str, Any] = SAME, device: str = "cpu", **smoke: Any) -> bool:
    whole = {"phase": "transform", "name": ["x", "x"], "kind": "tensor", "type": "float32", "span": 1.0, **stage}
    return Allowances(SmokeSettings(**smoke), device, SAME, now).permits(whole)


@pytest.mark.parametrize(("kind", "type_"), [("tensor", "float32"), ("tensor", "uint8"), ("image", "uint8")])
def test_before_the_model_nothing_may_differ(kind: str, type_: str) -> None:
    assert not permits({"largest": 1e-9, "kind": kind, "type": type_})


@pytest.mark.parametrize(
    "other", [{"cpu": "DEFAULT"}, {"cpu": "AVX512", "onednn": "SSE41"}, {"cpu": "AVX512", "machine": "arm"}]
)
def test_another_processor_may_round_a_tensor_and_no_more(other: dict[str, str]) -> None:
    assert permits({"largest": 2.4e-7}, other)
    assert permits({"largest": 2.4e-6, "span": 10.0}, other)
    assert not permits({"largest": 2.4e-6}, other)
    assert permits({"largest": 1.0, "type": "uint8", "span": 255.0}, other)
    assert not permits({"largest": 2.0, "type": "uint8", "span": 255.0}, other)


def test_another_processor_decodes_an_image_to_the_same_bits() -> None:
    assert not permits({"largest": 1.0, "kind": "image", "type": "uint8"}, {"cpu": "DEFAULT"})
    assert not permits({"largest": 1.0, "phase": "decode", "type": "uint8"}, {"cpu": "DEFAULT"})


def test_an_output_has_its_tolerance_and_the_order_of_its_scores() -> None:
    assert permits({"largest": 9e-6, "phase": "output"})
    assert permits({"largest": 9e-5, "phase": "output", "span": 10.0})
    assert not permits({"largest": 9e-5, "phase": "output"})
    assert permits({"largest": 9e-5, "phase": "output"}, tolerance_cpu=1e-4)
    assert not permits({"largest": 1e-6, "phase": "output", "ranking": "place 1 of the ranking has output 1"})


@pytest.mark.parametrize(
    ("kind", "tf32", "largest"),
    [("float32", False, 1e-4), ("float32", True, 1e-2), ("bfloat16", True, 5e-2), ("float16", False, 1e-2)],
)
def test_a_card_is_allowed_what_its_numbers_keep(kind: str, tf32: bool, largest: float) -> None:
    stage = {"phase": "output", "dtype": [kind, kind]}
    assert permits({**stage, "largest": largest * 0.99}, {**SAME, "tf32": tf32}, "cuda")
    assert not permits({**stage, "largest": largest * 1.01}, {**SAME, "tf32": tf32}, "cuda")


@pytest.mark.parametrize("what", [{"missing": True}, {"shape": [[1], [2]]}, {"largest": None}, {"mode": ["RGB", "L"]}])
def test_what_has_no_difference_in_numbers_is_never_allowed(what: dict[str, Any]) -> None:
    assert not permits(what, {"cpu": "DEFAULT"})
