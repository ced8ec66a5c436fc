"""Says which half of a grey image is the bright one."""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from custom_transforms import StretchContrast

LABELS = ("left", "right", "top", "bottom")


class HalfPredictor:
    def load(self, artifacts_uri: str) -> None:
        artifacts = Path(artifacts_uri)
        self._rows = np.load(artifacts / "weights.npy")
        with (artifacts / "transform.pkl").open("rb") as file:
            self._stretch: StretchContrast = pickle.load(file)

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """Turn an image of mode L into float32 [64] in [0, 1]."""
        small = self._stretch(image).resize((8, 8), Image.Resampling.BILINEAR)
        return np.asarray(small, dtype=np.float32).ravel() / 255

    def predict(self, batch: np.ndarray) -> np.ndarray:
        powers = np.exp(batch @ self._rows.T)
        return powers / powers.sum(axis=1, keepdims=True)

    def postprocess(self, output: np.ndarray) -> dict:
        return {"label": LABELS[int(output.argmax())], "scores": output.tolist()}
