"""Writes artifacts/: the weights, the transform, and golden images with the answers of this environment."""

import json
import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from custom_transforms import StretchContrast
from predictor import LABELS, HalfPredictor

ARTIFACTS = Path(__file__).parent / "artifacts"
SIDE = 32


def bright_half(label: str) -> Image.Image:
    """Draw a dark square whose named half is bright."""
    boxes = {
        "left": (0, 0, SIDE // 2, SIDE),
        "right": (SIDE // 2, 0, SIDE, SIDE),
        "top": (0, 0, SIDE, SIDE // 2),
        "bottom": (0, SIDE // 2, SIDE, SIDE),
    }
    image = Image.new("L", (SIDE, SIDE), 90)
    image.paste(150, boxes[label])
    return image


def weights() -> np.ndarray:
    """Fit the layer by hand: a row adds its half and subtracts the other."""
    left = np.full((8, 8), -0.125, dtype=np.float32)
    left[:, :4] = 0.125
    top = left.T
    return np.stack([left, -left, top, -top]).reshape(len(LABELS), -1)


def main() -> None:
    golden = ARTIFACTS / "golden"
    golden.mkdir(parents=True, exist_ok=True)
    np.save(ARTIFACTS / "weights.npy", weights())
    (ARTIFACTS / "transform.pkl").write_bytes(pickle.dumps(StretchContrast(cutoff=1)))
    predictor = HalfPredictor()
    predictor.load(str(ARTIFACTS))
    examples = []
    for label in LABELS:
        bright_half(label).save(golden / f"{label}.png")
        with Image.open(golden / f"{label}.png") as image:
            row = predictor.predict(predictor.preprocess(image)[None])[0]
        answer = predictor.postprocess(row)
        assert answer["label"] == label, (answer, label)
        examples.append({"image": f"{label}.png", "label": label, "scores": answer["scores"]})
    (golden / "golden.json").write_text(json.dumps(examples, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
