"""Compute the centroids of scikit-learn's digits and write artifacts/: centroids, golden answers, manifest.

Run it in this folder, with scikit-learn beside requirements.txt and the repository on PYTHONPATH. Golden answers
come from the predictor class itself, on held-out digits; nothing is written if too few are right.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from centroids.predictor import MOST_INK, CentroidPredictor
from PIL import Image
from sklearn.datasets import load_digits

from seatrial import golden

ARTIFACTS = Path(__file__).parent / "artifacts"
HELD_OUT = 5  # every fifth digit is kept from training
ENOUGH = 0.85  # share of held-out digits that must be right
GOLDEN = 12


def main() -> None:
    """Compute, measure, write."""
    data = load_digits()
    held_out = np.arange(len(data.target)) % HELD_OUT == 0
    levels, labels = data.images[~held_out], data.target[~held_out]
    centroids = np.stack([levels[labels == digit].mean(axis=0).ravel() for digit in range(10)])
    predictor = CentroidPredictor(centroids)

    instances = [_instance(number, digit) for number, digit in enumerate(data.images[held_out])]
    responses = [predictor.predict([instance])[0] for instance in instances]
    right = [int(r["label"]) == label for r, label in zip(responses, data.target[held_out], strict=True)]
    accuracy = sum(right) / len(right)
    if accuracy < ENOUGH:
        sys.exit(f"only {accuracy:.3f} of {len(right)} held-out digits are right")
    ARTIFACTS.mkdir(exist_ok=True)
    np.save(ARTIFACTS / "centroids.npy", centroids, allow_pickle=False)
    answered = zip(instances, responses, data.target[held_out], strict=True)
    examples = [
        golden.GoldenExample(instance=instance, response=response, truth=str(label))
        for instance, response, label in list(answered)[:GOLDEN]
    ]
    golden.write(ARTIFACTS, examples)
    golden.write_manifest(ARTIFACTS, how="training", accuracy=accuracy)
    print(f"{accuracy:.3f} of {len(right)} held-out digits are right")  # noqa: T201


def _instance(number: int, levels: np.ndarray) -> Any:
    """Return a digit in one of the two forms that the predictor takes, in turn."""
    if number % 2:
        return levels.astype(int).tolist()
    file = io.BytesIO()
    Image.fromarray((levels * (255 / MOST_INK)).round().astype(np.uint8)).save(file, "PNG")
    return {"b64": base64.b64encode(file.getvalue()).decode()}


if __name__ == "__main__":
    main()
