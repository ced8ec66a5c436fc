"""Family 4, golden answers: does the predictor answer what training recorded?

Only the golden file is judged from facts; everything else is seen while the predictor runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Location, Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

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
    title="the predictor gives a golden image the wrong label",
    explanation=(
        "The golden examples hold images with their true labels. A single wrong label can be the "
        "model's own mistake; several mean that the labels are in another order or that the images are prepared "
        "differently than in training."
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
    fix="record a handful of real images with seatrial.golden in the environment that trained the model",
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
