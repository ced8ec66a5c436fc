"""The architecture: torchvision's smallest ShuffleNet v2 with a stem for grey images.

It holds no weights and downloads none.
"""

from __future__ import annotations

from torch import nn
from torchvision.models import ShuffleNetV2, shufflenet_v2_x0_5


def build_model(classes: int) -> ShuffleNetV2:
    """Return an untrained network from float32 [N, 1, 64, 64] to logits, float32 [N, classes]."""
    model = shufflenet_v2_x0_5(weights=None, num_classes=classes)
    colour_stem = model.conv1[0]
    model.conv1[0] = nn.Conv2d(1, colour_stem.out_channels, kernel_size=3, stride=2, padding=1, bias=False)
    return model
