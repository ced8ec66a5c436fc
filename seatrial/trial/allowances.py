"""By how much a stage may differ: nothing before the model, but for what another processor rounds in another way.

A configured tolerance goes before all of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.project import SmokeSettings

# By how much an output may differ on a GPU, as a share of its largest number: float32 keeps 24 bits, TF32 11 and
# bfloat16 8 of a product's factors. https://docs.nvidia.com/cuda/floating-point/index.html
_ON_CUDA = {"float32": 1e-4, "tf32": 1e-2, "float16": 1e-2, "bfloat16": 5e-2}
# What another set of instructions makes of a transform of a tensor, by type: as a share of its largest number, or in
# levels. Measured with torch 2.15.0 on the same inputs, without AVX2: 2.4e-7 of GaussianBlur, 1.8e-7 of Resize, and one
# level of Resize on bytes, for which torch has another algorithm then (aten/native/cpu/UpSampleKernel.cpp).
_ROUNDED = {"float32": 1e-6, "float64": 1e-6, "float16": 2**-10, "bfloat16": 2**-7}
_LEVELS = {"uint8": 1.0}
_PROCESSOR = ("cpu", "onednn", "machine")  # of a fingerprint: what says which instructions are used


@dataclass(frozen=True, slots=True)
class Allowances:
    """What is allowed between two environments.

    Attributes:
        smoke: the project's tolerances.
        device: where it is replayed.
        was: the fingerprint of the environment in which it was recorded.
        now: the fingerprint of the one on trial.
    """

    smoke: SmokeSettings
    device: str
    was: Mapping[str, Any]
    now: Mapping[str, Any]

    @property
    def other_processor(self) -> str:
        """What differs between the processors, as (was, now) in words; "" if nothing does."""
        pairs = [(self.was.get(key), self.now.get(key)) for key in _PROCESSOR]
        return ", ".join(f"{was or 'any'} and {now or 'any'}" for was, now in pairs if was != now)

    def of(self, stage: Mapping[str, Any]) -> float:
        """Return by how much a stage may differ, in its own units."""
        for name in (stage["name"][0], stage["name"][1], stage["phase"]):
            if name in self.smoke.stages:
                return self.smoke.stages[name].tolerance
        if stage["phase"] == "output":
            return self._of_output(stage) * _span(stage)
        rounded = stage["phase"] == "transform" and stage.get("kind") == "tensor" and self.other_processor != ""
        if not rounded:
            return 0.0
        return _LEVELS.get(stage["type"], 0.0) or _ROUNDED.get(stage["type"], 0.0) * _span(stage)

    def permits(self, stage: Mapping[str, Any]) -> bool:
        """Return whether a stage that differs may differ so: its numbers, type, and the order of scores."""
        largest = largest_of(stage)
        same_kind = stage["phase"] == "output" or not {"dtype", "mode"} & stage.keys()
        return largest is not None and same_kind and largest <= self.of(stage) and not stage.get("ranking")

    def _of_output(self, stage: Mapping[str, Any]) -> float:
        if self.device == "cpu" or "tolerance_cuda" in self.smoke.model_fields_set:
            return self.smoke.tolerance_for(self.device)
        kind = stage.get("dtype", ["", "float32"])[1]
        if kind == "float32" and self.now.get("tf32"):
            return _ON_CUDA["tf32"]
        return _ON_CUDA.get(kind, _ON_CUDA["float32"])


def largest_of(stage: Mapping[str, Any]) -> float | None:
    """Return the largest difference of a stage; None if it is infinite, or there is nothing to compare with."""
    largest: float | None = stage.get("largest", None if {"missing", "shape"} & stage.keys() else 0.0)
    return largest


def _span(stage: Mapping[str, Any]) -> float:
    return max(1.0, stage.get("span") or 0.0)
