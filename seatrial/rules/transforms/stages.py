"""Family 4, stages: where between the bytes of an image and the answer serving differs from training.

Only a trial shows it, by asking the predictor for the inputs whose stages were recorded.
"""

from __future__ import annotations

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

_SKEW = "https://developers.google.com/machine-learning/guides/rules-of-ml#training-serving_skew"

OTHER_DECODING = Rule(
    code="ST441",
    title="the decoded image differs from the one that training saw",
    explanation=(
        "The same bytes of an image file became other pixels. The decoder is another one, or another version of it, or "
        "the image is opened in another way: the order of the colours, the EXIF orientation, transparency, the mode."
    ),
    fix="open images as training did, with the same version of the decoder, or record the stages again",
    sources=("https://pillow.readthedocs.io/en/stable/releasenotes/9.0.0.html", _SKEW),
)

OTHER_TRANSFORM = Rule(
    code="ST442",
    title="a transform makes something else than in training",
    explanation=(
        "The transform got the very input that was recorded in training, and its result differs. A default changed "
        "between the versions, or the transform is written or set up in another way."
    ),
    fix="set up the transform as training did, and write out every argument whose default has changed",
    sources=("https://docs.pytorch.org/vision/0.17/transforms.html", _SKEW),
)

OTHER_OUTPUT = Rule(
    code="ST443",
    title="the model computes something else than in training",
    explanation=(
        "Decoding and transforms are those of training, and the output of the model differs by more than the order of "
        "floating-point sums explains: other weights, a model in training mode, an answer that depends on the batch or "
        "on chance, or another precision."
    ),
    fix="load the weights that training wrote, call eval(), and compare the model's code with training's",
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html", _SKEW),
)

OTHER_ANSWERS = Rule(
    code="ST445",
    title="the same input is answered differently with another lock",
    explanation=(
        "The same code and model were served in the environments of two locks, and asked the same inputs. Something "
        "that the second lock pins differently changes the answers by more than the tolerance."
    ),
    fix="keep what the first lock pins, or train and record again with the second; the stages say where it begins",
    sources=(_SKEW,),
)

NOT_REPLAYED = Rule(
    code="ST444",
    title="the recorded stages could not be replayed",
    explanation=(
        "Training recorded every stage between the input and the answer, and the trial could not ask the predictor for "
        "them in its environment. Only the answers of the server were compared."
    ),
    fix="record again, with seatrial.golden.record in training, or `seatrial golden record` here",
    severity=Severity.WARNING,
    sources=(_SKEW,),
)
