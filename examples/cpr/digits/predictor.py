"""The predictor class, in the form that the Vertex AI SDK's own model server asks for."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import torch
from google.cloud.aiplatform.prediction.predictor import Predictor
from google.cloud.aiplatform.utils import prediction_utils
from PIL import Image

from digits.model import build_model, build_transform


class DigitsPredictor(Predictor):
    """Answers `{"instances": [{"b64": "<image file>"}, ...]}` with a label and scores for each."""

    def load(self, artifacts_uri: str) -> None:
        # Copies or downloads into the current directory, which therefore must be writable.
        prediction_utils.download_model_artifacts(artifacts_uri)
        self._labels = json.loads(Path("labels.json").read_text(encoding="utf-8"))
        self._model = build_model(len(self._labels))
        self._model.load_state_dict(torch.load("weights.pt", map_location="cpu", weights_only=True))
        self._model.eval()
        self._transform = build_transform()

    def preprocess(self, prediction_input: dict[str, Any]) -> torch.Tensor:
        images = [_open(instance["b64"]) for instance in prediction_input["instances"]]
        return torch.stack([self._transform(image) for image in images])

    @torch.inference_mode()
    def predict(self, instances: torch.Tensor) -> torch.Tensor:
        return self._model(instances).softmax(dim=1)

    def postprocess(self, prediction_results: torch.Tensor) -> dict[str, Any]:
        rows = prediction_results.tolist()
        return {"predictions": [{"label": self._labels[row.index(max(row))], "scores": row} for row in rows]}


def _open(b64: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(b64, validate=True))).convert("RGB")
