"""Compare a prediction with its golden example: label, scores, whole response."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.findings import Finding
from seatrial.golden import GoldenExample
from seatrial.rules.transforms import golden

REQUEST_BYTES = 1_500_000  # of a request to a shared public endpoint; Vertex's custom-container requirements


@dataclass(slots=True)
class Drift:
    """How far numbers of training and serving differ so far: the largest difference, and how many were compared."""

    largest: float = 0.0
    compared: int = 0

    def note(self, expected: float, actual: float) -> float:
        """Add one pair and return its difference; not-a-number counts as infinite."""
        try:
            difference = abs(float(expected) - float(actual))
        except OverflowError:  # an integer that no float can hold
            difference = 0.0 if expected == actual else math.inf
        difference = math.inf if math.isnan(difference) else difference
        self.compared += 1
        self.largest = max(self.largest, difference)
        return difference


def compare(
    example: GoldenExample, prediction: Any, *, tolerance: float, drift: Drift, alone: bool
) -> Iterator[Finding]:
    """Yield how a prediction differs from what training recorded; numbers may differ by `tolerance`."""
    subject = example_name(example) + ("" if alone else ", in a batch")
    fields = prediction if isinstance(prediction, dict) else {"label": prediction}  # a bare label is an answer too
    if example.label is not None and str(fields.get("label")) != example.label:
        yield golden.WRONG_LABEL.finding(
            f"{subject}: the answer is {_short(fields.get('label', prediction))}, the label is {example.label}",
            subject=subject,
        )
    if example.scores is not None:
        scores = fields.get("scores")
        values = list(scores.values()) if isinstance(scores, dict) else scores
        yield from _differences(subject, "scores", list(example.scores), values, tolerance, drift)
    if example.response is not None:
        yield from _differences(subject, "response", example.response, prediction, tolerance, drift)


def example_name(example: GoldenExample) -> str:
    """Name an example as a person would look for it."""
    return f"golden/{example.image}" if example.image else f"instance {_short(example.instance)}"


def _differences(
    subject: str, what: str, expected: Any, actual: Any, tolerance: float, drift: Drift
) -> Iterator[Finding]:
    own = Drift()
    where = _first_difference(expected, actual, tolerance, own, what)
    drift.largest = max(drift.largest, own.largest)
    drift.compared += own.compared
    if where:
        yield golden.OTHER_ANSWER.finding(
            f"{subject}: {where}",
            subject=subject,
            evidence=(
                f"recorded: {_short(expected)}",
                f"answered: {_short(actual)}",
                f"largest difference: {own.largest:.2g}, allowed: {tolerance:.2g}",
            ),
        )


def _first_difference(expected: Any, actual: Any, tolerance: float, drift: Drift, path: str) -> str:
    """Describe the first place where two JSON values differ; "" if they agree."""
    if _is_number(expected) and _is_number(actual):
        difference = drift.note(expected, actual)
        return "" if difference <= tolerance else f"{path} is {_short(actual)}, training recorded {_short(expected)}"
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path} has {len(actual)} elements, training recorded {len(expected)}"
        pairs = [(f"{path}[{i}]", e, a) for i, (e, a) in enumerate(zip(expected, actual, strict=True))]
    elif isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"{path} has the keys {sorted(actual)}, training recorded {sorted(expected)}"
        pairs = [(f"{path}.{key}", expected[key], actual[key]) for key in expected]
    elif type(expected) is type(actual) and expected == actual:
        return ""
    else:
        return f"{path} is {_short(actual)}, training recorded {_short(expected)}"
    found = [_first_difference(e, a, tolerance, drift, p) for p, e, a in pairs]
    return next((text for text in found if text), "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # more digits than Python prints
        text = "an integer of thousands of digits"
    return text if len(text) <= 100 else f"{text[:97]}..."


def batches(
    inputs: Sequence[tuple[GoldenExample, Any]], at_most: int | None = None
) -> Iterator[list[tuple[GoldenExample, Any]]]:
    """Yield examples with their instances in batches that fit into a request, each of `at_most` instances."""
    batch: list[tuple[GoldenExample, Any]] = []
    size = 0
    for one in inputs:
        own = len(repr(one[1]))
        if batch and (len(batch) == at_most or size + own > REQUEST_BYTES * 0.9):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += own
    if batch:
        yield batch
