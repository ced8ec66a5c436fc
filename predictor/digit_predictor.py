"""The predictor class: which digit is written on an image, and how sure the model is of each.

The server calls `load` once, `preprocess` and `postprocess` for each instance, `predict` for each batch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from predictor.model import build_model
from predictor.transforms import build_transform

if TYPE_CHECKING:
    from PIL import Image


class DigitPredictor:
    """Classifies images of one handwritten digit, dark ink on light paper."""

    def load(self, artifacts_uri: str) -> None:
        """Read `labels.json` and `weights.pt` from the folder `artifacts_uri`; use a GPU if there is one."""
        artifacts = Path(artifacts_uri)
        self._labels: list[str] = json.loads((artifacts / "labels.json").read_text(encoding="utf-8"))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        weights = torch.load(artifacts / "weights.pt", map_location=self._device, weights_only=True)
        model = build_model(classes=len(self._labels))
        model.load_state_dict(weights)
        self._model = model.to(self._device).eval()
        self._transform = build_transform()

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Turn an image of mode RGB into the model's input, float32 [1, 64, 64] on the CPU."""
        return self._transform(image)

    @torch.inference_mode()
    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        """Turn inputs, float32 [N, 1, 64, 64], into probabilities, float32 [N, 10] on the CPU."""
        return self._model(batch.to(self._device)).softmax(dim=1).cpu()

    def postprocess(self, output: torch.Tensor) -> dict[str, str | list[float]]:
        """Turn one row of `predict` into the most probable label and the probability of every label."""
        return {"label": self._labels[int(output.argmax())], "scores": output.tolist()}
