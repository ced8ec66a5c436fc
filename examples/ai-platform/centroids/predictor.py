"""The predictor class, in the form that AI Platform Prediction asked for: `from_path` and `predict`."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 8  # pixels of the data set's square digits
MOST_INK = 16  # sklearn.datasets.load_digits: "Features: integers 0-16"


class CentroidPredictor:
    """Finds the digit whose mean image is nearest to an instance.

    An instance is `{"b64": "<image file>"}`, light ink on black paper, or 8 lists of 8 ink levels from 0 to 16.
    """

    def __init__(self, centroids: np.ndarray) -> None:
        self._centroids = centroids  # float64 [10, 64], ink levels

    @classmethod
    def from_path(cls, model_dir: str) -> CentroidPredictor:
        return cls(np.load(Path(model_dir) / "centroids.npy", allow_pickle=False))

    def predict(self, instances: list[Any], **kwargs: Any) -> list[dict[str, Any]]:
        """Answer each instance with a label; with `distances=True`, also with the distance to every digit."""
        levels = np.array([_levels(instance) for instance in instances]).reshape(-1, SIDE * SIDE)
        distances = np.linalg.norm(levels[:, None, :] - self._centroids[None], axis=2)
        answers: list[dict[str, Any]] = [{"label": str(row.argmin())} for row in distances]
        if kwargs.get("distances"):
            for answer, row in zip(answers, distances, strict=True):
                answer["distances"] = row.tolist()
        return answers


def _levels(instance: Any) -> np.ndarray:
    """Return an instance as 64 ink levels, float64."""
    if isinstance(instance, dict):
        with Image.open(io.BytesIO(base64.b64decode(instance["b64"], validate=True))) as image:
            gray = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(gray, dtype=np.float64).ravel() * (MOST_INK / 255)
    return np.asarray(instance, dtype=np.float64).reshape(SIDE * SIDE)
