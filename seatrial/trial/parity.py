"""Compare a prediction with its golden example: label, scores, whole response.

Objects are compared by their keys, never by their order, which an answer loses on its way through Vertex AI.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.findings import Finding
from seatrial.golden import GoldenExample
from seatrial.rules.transforms import golden

_KINDS = {str: "text", bool: "boolean"}
REQUEST_BYTES = 1_500_000  # of a request to a shared public endpoint; Vertex's custom-container requirements


@dataclass(slots=True)
class Drift:
    """How far the answers of training and serving differ so far.

    Attributes:
        largest: the largest difference of two numbers; `compared` is how many were compared.
        unrecorded: fields of answers that training did not record.
        said: who gave the answers that are expected, with a verb.
        guessed: (truth, answered label) of the inputs whose truth is recorded, but not what training answered.
    """

    largest: float = 0.0
    compared: int = 0
    unrecorded: set[str] = field(default_factory=set)
    said: str = "training recorded"
    guessed: dict[str, tuple[str, str]] = field(default_factory=dict)

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
    answered = fields_of(example, prediction)
    scores = [] if example.scores is None else list(_scores(subject, example, answered.get("scores"), tolerance, drift))
    if example.label is not None:
        yield from _label(subject, example, answered.get("label", prediction), same_scores=not scores)
    yield from scores
    if example.response is not None:
        yield from _differences(subject, "response", example.response, prediction, tolerance, drift)
    elif example.label is not None or example.scores is not None:
        recorded = {name for name in ("label", "scores") if getattr(example, name) is not None}
        drift.unrecorded |= answered.keys() - recorded
    if example.truth is not None and example.answered is None:
        drift.guessed[example_name(example)] = (str(example.truth), str(answered.get("label")))


def example_name(example: GoldenExample) -> str:
    """Name an example as a person would look for it."""
    return f"golden/{example.image}" if example.image else f"instance {_short(example.instance)}"


def fields_of(example: GoldenExample, prediction: Any) -> Mapping[str, Any]:
    """Return the label and scores of an answer by name; a label alone, or scores alone, are an answer too."""
    if not isinstance(prediction, dict):
        return {"scores" if isinstance(prediction, list) else "label": prediction}
    numbers = bool(prediction) and all(map(_is_number, prediction.values()))
    only_scores = numbers and example.scores is not None and not prediction.keys() & {"label", "scores"}
    return {"scores": prediction} if only_scores else prediction


def _label(subject: str, example: GoldenExample, answer: Any, *, same_scores: bool) -> Iterator[Finding]:
    """Yield a finding if the label is another one, or of another type: to a client, "7" is not 7."""
    label = example.label
    kinds = [_KINDS.get(type(each), "number") for each in (answer, label)]
    if label == answer and kinds[0] == kinds[1]:
        return
    shown = [_short(each).strip("'") for each in (answer, label)]
    message = f"{subject}: the answer is {_short(answer)}, training answered {_short(label)}"
    fix = golden.WRONG_LABEL.fix
    if shown[0] == shown[1]:
        message = f"{subject}: the label is the {kinds[0]} {shown[0]}, training recorded the {kinds[1]} {shown[1]}"
        fix = "answer with the type that training recorded; if the answer is right, record the label in its type"
    elif example.scores is not None and same_scores:
        message += ", with the same scores"
        fix = (
            "compare the order of the labels with training's; if training itself misread this input, record its answer "
            "as `label`, and what the input is as `truth`"
        )
    yield golden.WRONG_LABEL.finding(message, subject=subject, fix=fix)


def _scores(subject: str, example: GoldenExample, answered: Any, tolerance: float, drift: Drift) -> Iterator[Finding]:
    """Compare scores by label if either side names labels, otherwise by place."""
    recorded = example.scores
    expected: Any = dict(recorded) if isinstance(recorded, Mapping) else list(recorded or ())
    if isinstance(answered, dict | list) and isinstance(answered, dict) != isinstance(expected, dict):
        listed, named = (expected, answered) if isinstance(answered, dict) else (answered, expected)
        places = tuple(map(str, range(len(listed))))
        order = places if named.keys() == set(places) else example.order
        if len(order) != len(listed):
            words = ("an object", "a list") if named is answered else ("a list", "an object")
            yield golden.OTHER_ANSWER.finding(
                f"{subject}: scores is {words[0]}, training recorded {words[1]}, and nothing says which score belongs "
                "to which label",
                subject=subject,
                fix="record the scores as an object, label → score, and answer with one; the order of a list is not "
                "that of an object",
            )
            return
        if order is example.order and named is answered and example.answered is None:
            drift.unrecorded.add("label")  # labels.json alone has the order, and the predictor may read the same
        listed = dict(zip(order, listed, strict=True))
        expected, answered = (listed, named) if named is answered else (named, listed)
    yield from _differences(subject, "scores", expected, answered, tolerance, drift)


def _differences(
    subject: str, what: str, expected: Any, actual: Any, tolerance: float, drift: Drift
) -> Iterator[Finding]:
    own = Drift(said=drift.said)
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
        return "" if difference <= tolerance else f"{path} is {_short(actual)}, {drift.said} {_short(expected)}"
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path} has {len(actual)} elements, {drift.said} {len(expected)}"
        pairs = [(f"{path}[{i}]", e, a) for i, (e, a) in enumerate(zip(expected, actual, strict=True))]
    elif isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"{path} has the keys {sorted(actual)}, {drift.said} {sorted(expected)}"
        pairs = [(f"{path}.{key}", expected[key], actual[key]) for key in expected]
    elif type(expected) is type(actual) and expected == actual:
        return ""
    else:
        return f"{path} is {_short(actual)}, {drift.said} {_short(expected)}"
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
