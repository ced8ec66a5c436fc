"""Family 2, the predictor's methods: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.code import predictor, served

LOAD, PREDICT = "    def load(self, artifacts_uri):", "    def predict(self, batch):"

TWINS = (
    Twin("ST220", "no argument", served(predictor(LOAD, '    def load(self):\n        artifacts_uri = "/srv"'))),
    Twin("ST220", "a coroutine", served(predictor(PREDICT, "    async def predict(self, batch):"))),
    Twin(
        "ST220",
        "an argument too many",
        served(predictor(PREDICT, "    def predict(self, batch, threshold):")),
        served(predictor(PREDICT, "    def predict(self, batch, threshold=0.5):")),
    ),
    Twin(
        "ST220",
        "made with an argument",
        served(predictor(LOAD, f"    def __init__(self, device):\n        self.device = device\n\n{LOAD}")),
        served(predictor(LOAD, f'    def __init__(self, device="cpu"):\n        self.device = device\n\n{LOAD}')),
    ),
)
