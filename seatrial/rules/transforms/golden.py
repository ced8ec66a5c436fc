"""Family 4, golden answers: does the predictor answer what training recorded, and could that show a fault?

The golden file and the manifest are judged from facts; answers are seen while the predictor runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seatrial.findings import Location, Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding
    from seatrial.golden import GoldenExample

OTHER_ANSWER = Rule(
    code="ST401",
    title="the answer differs from the one that training recorded",
    explanation=(
        "The predictor loads and answers, but with different numbers than in training. Something between the "
        "image and the answer differs: decoding, a transform's default, the weights, a model left in "
        "training mode."
    ),
    fix="use training's decoding, transforms and versions; if the new answer is right, record it",
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",),
)

WRONG_LABEL = Rule(
    code="ST402",
    title="the predictor answers another label than training did",
    explanation=(
        "`label` of a golden example is what training answered, right or wrong. Another label with the same scores "
        "means that the labels are in another order; with other scores, that the images are prepared differently. The "
        'type counts too: to a client, "7" is not 7. If training itself misread an image, its wrong answer is the '
        "`label`, and what the image shows is its `truth`."
    ),
    fix="compare the order of the labels and the preparation of the image with training's",
    sources=("https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html",),
)

NO_GOLDEN = Rule(
    code="ST403",
    title="there are no golden answers",
    explanation=(
        "Without golden answers the trial proves that the predictor loads and answers, not that it answers "
        "as it did in training."
    ),
    fix="record a handful of real images with seatrial.golden in the process that trains the model",
    severity=Severity.NOTE,
    sources=("https://developers.google.com/machine-learning/guides/rules-of-ml#training-serving_skew",),
)

BAD_GOLDEN = Rule(
    code="ST404",
    title="the golden file cannot be used",
    explanation="artifacts/golden/golden.json is not a list of examples, or names an image that does not exist.",
    fix="write it again with seatrial.golden.write, in the environment that trained the model",
    sources=("https://www.rfc-editor.org/rfc/rfc8259",),
    detected=(
        "artifacts/golden/golden.json is read as the trial reads it: a list of examples, each with an image "
        "that exists or an instance."
    ),
    bad='[{"image": "missing.png", "label": "3"}]',
    good='[{"image": "scan-0000.png", "label": "3"}]',
)


@BAD_GOLDEN.decided_by
def _bad_golden(facts: Facts) -> Iterator[Finding]:
    if facts.golden_fault:
        place = Location(f"{facts.project.artifacts}/golden/golden.json")
        yield BAD_GOLDEN.finding(facts.golden_fault, location=place)


WIDE_TOLERANCE = Rule(
    code="ST405",
    title="the tolerance hides wrong answers",
    explanation=(
        "Served scores may differ from the recorded ones by the tolerance. Where the two largest recorded scores are "
        "not farther apart than twice that, another label would pass the comparison, and the trial proves nothing. Of "
        "other numbers in a response, the largest and the smallest count."
    ),
    fix="make the tolerance smaller than half the distance of the two largest scores",
    sources=("https://docs.python.org/3/library/math.html#math.isclose",),
    detected=(
        "The tolerance of the CPU, and that of CUDA if it is set or an accelerator serves, against the recorded "
        "scores of each golden example. It is a finding if it hides half of the examples or more: the scores of a "
        "few may really be close."
    ),
    bad="[tool.seatrial.smoke]\ntolerance-cpu = 1000.0",
    good="[tool.seatrial.smoke]\ntolerance-cpu = 1e-5",
)

LESS_ACCURATE = Rule(
    code="ST406",
    title="the golden answers are less often right than training reported",
    explanation=(
        "Golden examples may say what an image shows (`truth`) beside what was answered (`label`), and the manifest "
        "which accuracy training measured. A model of that accuracy would hardly ever answer so few of them rightly: "
        "the answers were probably recorded where something was already broken."
    ),
    fix=(
        "record the answers again in the process that trains, and compare labels and preparation there; if the "
        "examples were chosen because they are hard, leave out their `truth`"
    ),
    sources=("https://developers.google.com/machine-learning/guides/rules-of-ml#training-serving_skew",),
    detected=(
        "How many golden labels are their `truth`, against the accuracy in the manifest (0.99 if it is higher): the "
        "chance that a model of this accuracy gives so few right answers is below one in a thousand."
    ),
    bad='4 golden examples, 1 with "label" equal to "truth", and a manifest with "accuracy": 0.98',
    good='4 golden examples, 4 with "label" equal to "truth", and a manifest with "accuracy": 0.98',
)
_HARDLY_EVER = 1e-3
_MOST = 0.99  # a perfect score on a few hundred inputs does not show that a model is never wrong


@WIDE_TOLERANCE.decided_by
def _wide_tolerance(facts: Facts) -> Iterator[Finding]:
    smoke, serves = facts.project.smoke, facts.project.vertex.device
    for device in ("cpu", "cuda"):
        tolerance, key = smoke.tolerance_for(device), f"tolerance-{device}"
        if device not in ("cpu", serves) and key.replace("-", "_") not in smoke.model_fields_set:
            continue
        widths = _widths(facts.golden_examples)
        hidden = [width for width in widths if 0 < width <= 2 * tolerance]  # equal ones are not the tolerance's doing
        if hidden and len(hidden) * 2 >= len(widths):
            yield WIDE_TOLERANCE.finding(
                f"`smoke.{key}` is {tolerance:g}, which hides another answer for {len(hidden)} of {len(widths)} golden "
                f"examples: their largest scores differ by {max(hidden):.2g} at most",
                location=Location("pyproject.toml"),
            )


@LESS_ACCURATE.decided_by
def _less_accurate(facts: Facts) -> Iterator[Finding]:
    recorded = facts.manifest.recorded if facts.manifest else None
    judged = [each for each in facts.golden_examples if None not in (each.truth, each.answered)]
    if recorded and recorded.accuracy is not None:
        right = sum(str(each.truth) == str(each.answered) for each in judged)
        yield from less_accurate(right, len(judged), recorded.accuracy)


def less_accurate(right: int, asked: int, reported: float) -> Iterator[Finding]:
    """Yield a finding if a model of the reported accuracy would hardly ever give so few right answers."""
    chance = sum(_chance(n, asked, min(reported, _MOST)) for n in range(right + 1)) if reported else 1
    if chance < _HARDLY_EVER:
        yield LESS_ACCURATE.finding(
            f"{right} of {asked} golden examples are answered with their truth, and training reported an accuracy of "
            f"{reported:g}",
            evidence=(f"the chance of so few is {chance:.1g}",),
        )


def _chance(right: int, asked: int, share: float) -> float:
    """Return the binomial probability, by logarithms: the number of ways alone may be larger than any float."""
    ways = math.lgamma(asked + 1) - math.lgamma(right + 1) - math.lgamma(asked - right + 1)
    return math.exp(ways + right * math.log(share) + (asked - right) * math.log(1 - share))


def _widths(examples: Sequence[GoldenExample]) -> list[float]:
    """Return how far apart the two largest scores of each example are; single scores, from each other."""
    scores = [s for example in examples if (s := _scores(example))]
    singles = [s[0] for s in scores if len(s) == 1]
    widths = [s[-1] - s[-2] for s in scores if len(s) > 1]
    return widths + [max(singles) - min(singles)] * len(singles) if len(singles) > 1 else widths


def _scores(example: GoldenExample) -> list[float]:
    """Return the recorded scores, ascending; without any, the two numbers of a response that are farthest apart."""
    response = example.response
    scores = response.get("scores") if example.scores is None and isinstance(response, dict) else example.scores
    for numbers in _numbers(scores):
        return sorted(numbers)
    ends = [[min(numbers), max(numbers)] for numbers in _numbers(response) if len(numbers) > 1]
    return max(ends, key=lambda each: each[1] - each[0], default=[])


def _numbers(value: Any) -> Iterator[list[float]]:
    """Yield every list of numbers, and every object's numbers, within a JSON value."""
    inner = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(inner, list | tuple):
        return
    if numbers := [each for each in inner if type(each) in (int, float)]:
        yield numbers
    for each in inner:
        yield from _numbers(each)
