"""Writes random weights of a model: `weights.py FILE IMAGE`; the file is named after the model.

Its BatchNorm statistics are those of the image and of noise: with plain random ones every class of mobilenet_v3_small
gets the same probability, and answers could not be compared.
"""

import sys
from pathlib import Path

import torch
import torchvision
from pictures import vision
from PIL import Image

if __name__ == "__main__":
    file = Path(sys.argv[1])
    torch.manual_seed(0)
    model = getattr(torchvision.models, file.stem)(weights=None).train()
    image = vision.prepared(Image.open(sys.argv[2]).convert("RGB"))
    with torch.no_grad():
        for _ in range(20):
            model(image + 0.5 * torch.randn(16, *image.shape))
    draft = file.with_suffix(".draft")
    torch.save(model.state_dict(), draft)
    draft.rename(file)
