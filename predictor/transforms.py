"""The one way from an opened image to the model's input; training and serving both use it.

It does not augment: what only training does to an image happens before these transforms.
"""

from __future__ import annotations

from torchvision import transforms
from torchvision.transforms import InterpolationMode

from predictor.centre import CentreInk

SIDE = 64  # pixels of the model's square input


def build_transform() -> transforms.Compose:
    """Return the transform from a PIL image of mode RGB to a float32 tensor of shape [1, 64, 64] in [-1, 1]."""
    return transforms.Compose(
        [
            transforms.Grayscale(),
            CentreInk(),
            transforms.Resize((SIDE, SIDE), interpolation=InterpolationMode.BILINEAR, antialias=True),
            transforms.ToTensor(),
            transforms.Normalize(mean=(0.5,), std=(0.5,)),
        ]
    )
