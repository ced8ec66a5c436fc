"""The predictor for our own runtime."""

from __future__ import annotations

import time
from typing import Any

from PIL import Image
from tone import SECONDS, load


class Tone:
    """Answers with the tone of an image."""

    def load(self, artifacts_uri: str) -> None:  # noqa: ARG002
        """Load the model."""
        load()

    def preprocess(self, image: Image.Image) -> Any:
        """Return the image as an array of one tone."""
        import numpy as np

        return np.asarray(image.convert("L").resize((1, 1)), dtype=np.float32)

    def predict(self, batch: Any) -> Any:
        """Return the tones."""
        time.sleep(SECONDS * len(batch))
        return batch.mean(axis=(1, 2))
