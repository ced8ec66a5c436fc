"""The model as a custom prediction routine: the same class is served by Google's server and by our runtime."""

from __future__ import annotations

from typing import Any

import torch

from pictures import vision


class Routine:
    """The predictor, with the methods of the SDK's own class."""

    def load(self, artifacts_uri: str) -> None:
        """Load the model."""
        self._model = vision.load(artifacts_uri)

    def preprocess(self, prediction_input: dict[str, Any]) -> torch.Tensor:
        """Return a batch of a request's images."""
        return torch.stack([vision.decoded(instance) for instance in prediction_input["instances"]])

    def predict(self, instances: torch.Tensor) -> torch.Tensor:
        """Return the probabilities."""
        return vision.scores(self._model, instances)

    def postprocess(self, prediction_results: torch.Tensor) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"predictions": [vision.best(row) for row in prediction_results]}
