"""What every server of this comparison computes: torchvision's own preprocessing, a model, the five best classes.

Each of them does exactly this, so that they differ only in how they serve it.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torchvision import transforms

TRANSFORM = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


def load(folder: str) -> Any:
    """Return the model whose weights are the only ones of a folder; the file is named after it."""
    (weights,) = Path(folder).glob("*.pt")
    model = getattr(torchvision.models, weights.stem)(weights=None)
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model.eval()


def prepared(image: Image.Image) -> torch.Tensor:
    """Return the model's input."""
    return TRANSFORM(image)


def decoded(instance: dict[str, str]) -> torch.Tensor:
    """Return the model's input for an instance, {"b64": ...}."""
    return prepared(Image.open(io.BytesIO(base64.b64decode(instance["b64"]))).convert("RGB"))


def scores(model: Any, batch: torch.Tensor) -> torch.Tensor:
    """Return the probabilities of every class, a row an image."""
    with torch.inference_mode():
        return model(batch).softmax(1)


def best(row: torch.Tensor) -> dict[str, list[Any]]:
    """Return the five best classes."""
    values, labels = row.topk(5)
    return {"labels": labels.tolist(), "scores": values.tolist()}
