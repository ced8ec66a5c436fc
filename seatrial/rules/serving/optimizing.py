"""Family 5, optimizing: what the steps of `serving.optimize` did to the model.

Only a trial shows it, by what the server logs, and by asking a server without the steps the same inputs.
"""

from __future__ import annotations

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

OTHER_ANSWERS = Rule(
    code="ST572",
    title="the optimized model answers differently from the plain one",
    explanation=(
        "The steps of `serving.optimize` change the order of additions, which moves the last digits of a number. Here "
        "an answer moved further than the tolerance permits. Then the predictor uses its layers in a way that a step "
        "does not see."
    ),
    fix="leave the step out of `serving.optimize` that makes the difference; try them one at a time",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
        "https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html",
    ),
)

NOTHING_CHANGED = Rule(
    code="ST573",
    title="a step of serving.optimize changes nothing",
    explanation=(
        "The step was asked for, and no layer of the model could be changed by it. The message says why: no attribute "
        "of the predictor is a model, the model has no layer of the kind, or its layers are used in a way that "
        "permits no change."
    ),
    fix="leave the step out of `serving.optimize`, or keep the model as an attribute of the predictor in eval mode",
    severity=Severity.ERROR,
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.fusion.fuse_conv_bn_eval.html",),
)
