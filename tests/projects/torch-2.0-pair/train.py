"""Writes artifacts/: the weights, and golden images with what the predictor answers in this environment."""

import json
from pathlib import Path

import torch
from PIL import Image

from predictor import LABELS, HalfPredictor, build_model

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
    image = Image.new("L", (SIDE, SIDE), 40)
    image.paste(200, boxes[label])
    return image


def weights() -> dict[str, torch.Tensor]:
    """Fit the layer by hand: a row adds its half and subtracts the other."""
    ramp = torch.full((8, 8), -0.25)
    left, top = ramp.clone(), ramp.clone()
    left[:, :4] = 0.25
    top[:4, :] = 0.25
    rows = torch.stack([left, -left, top, -top]).flatten(1)
    return {"1.weight": rows, "1.bias": torch.zeros(len(LABELS))}


def main() -> None:
    golden = ARTIFACTS / "golden"
    golden.mkdir(parents=True, exist_ok=True)
    model = build_model()
    model.load_state_dict(weights())
    torch.save(model.state_dict(), ARTIFACTS / "weights.pt")
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
