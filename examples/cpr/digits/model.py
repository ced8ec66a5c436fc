"""The network and the transforms; training and serving both use these and nothing else."""

from __future__ import annotations

from torch import nn
from torchvision import transforms

SIDE = 16  # pixels of the network's square input


def build_model(classes: int) -> nn.Sequential:
    """Return an untrained network from float32 [N, 1, 16, 16] to logits, float32 [N, classes]."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (SIDE // 4) ** 2, classes),
    )


def build_transform() -> transforms.Compose:
    """Return the transform from a PIL image to float32 [1, 16, 16] in [-1, 1]."""
    return transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((SIDE, SIDE), antialias=True),
            transforms.ToTensor(),
            transforms.Normalize(mean=(0.5,), std=(0.5,)),
        ]
    )
