"""The model in our own interface: the runtime decodes and batches."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from pictures import vision


class Classifier:
    """The predictor."""

    def load(self, artifacts_uri: str) -> None:
        """Load the model."""
        self._model = vision.load(artifacts_uri)

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Return the model's input."""
        return vision.prepared(image)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the probabilities."""
        return vision.scores(self._model, batch)

    def postprocess(self, row: torch.Tensor) -> dict[str, list[Any]]:
        """Return an answer."""
        return vision.best(row)
