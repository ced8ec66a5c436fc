"""Family 5, the interface: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.code import predictor, served

LOAD, PREPROCESS = "    def load(self, artifacts_uri):", "    def preprocess(self, image):"
FUNCTION = "\n\ndef Predictor(body):\n    return body\n"

TWINS = (
    Twin("ST507", "loading in __init__", served(predictor(LOAD, "    def __init__(self, artifacts_uri):"))),
    Twin("ST507", "a handler's names", served(predictor(LOAD, "    def initialize(self, context):\n        artifacts_uri = context"))),
    Twin("ST507", "no predict", served(predictor("    def predict(self, batch)", "    def infer(self, batch)"))),
    Twin(
        "ST507",
        "an unclear parameter",
        served(predictor(PREPROCESS, "    def preprocess(self, x):\n        image = x")),
        served(predictor(PREPROCESS, '    def preprocess(self, x: "Image.Image"):\n        image = x')),
    ),
    Twin("ST507", "a function", {"predictor/__init__.py": f"from predictor.predictor import torch{FUNCTION}"}),
)  # fmt: skip
