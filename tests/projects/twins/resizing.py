"""Family 4, resizing: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.code import FROM, OLD, code, composed, twins

NAMES = "from torchvision.transforms import Compose, Resize as R, ToTensor"


def antialias(text: str) -> tuple[str, str]:
    return text, text.replace("8))", "8), antialias=True)")


ANTIALIAS = twins(
    "ST410",
    {
        "after ToTensor": antialias(
            composed(FROM, "transforms.Compose", "transforms.ToTensor()", "transforms.Resize((8, 8))")
        ),
        "under other names": antialias(composed(NAMES, "Compose", "ToTensor()", "R((8, 8))")),
        "on what read_image gave": antialias(
            "import torchvision.transforms.functional as F\nfrom torchvision.io import read_image\n\n\n"
            "def transform():\n    return lambda path: F.resize(read_image(path), (8, 8))\n"
        ),
        "in an nn.Sequential": antialias(
            "import torchvision.transforms as T\nfrom torch import nn\n\n\n"
            "def transform():\n    return nn.Sequential(T.Resize((8, 8)), T.Normalize(0.5, 0.5))\n"
        ),
        "steps in a variable": antialias(
            "from torchvision import transforms as t\n\n\ndef transform():\n"
            "    steps = [t.ToTensor(), t.Resize((8, 8))]\n    return t.Compose(steps)\n"
        ),
    },
    OLD,
    warns=True,
)

CROP = "transforms.CenterCrop(8)"

ONE_SIDE = [
    *twins(
        "ST417",
        {
            "without a crop": (
                composed(FROM, "transforms.Compose", "transforms.Resize(8)", "transforms.ToTensor()"),
                composed(FROM, "transforms.Compose", "transforms.Resize(8)", CROP, "transforms.ToTensor()"),
            ),
            "in brackets": (
                composed(NAMES, "Compose", "R([8])", "ToTensor()"),
                composed(NAMES, "Compose", "R([8, 8])", "ToTensor()"),
            ),
            "through a constant": (
                "from torchvision import transforms as t\n\nSIDE = 8\nBOTH = (8, 8)\n\n\ndef transform():\n    return t.Compose([t.Resize(size=SIDE), t.ToTensor()])\n",
                "from torchvision import transforms as t\n\nSIDE = 8\nBOTH = (8, 8)\n\n\ndef transform():\n    return t.Compose([t.Resize(size=BOTH), t.ToTensor()])\n",
            ),
        },
        warns=True,
    ),
    Twin(
        "ST417",
        "a helper away",
        code(
            "from predictor.sizes import SIDE\nfrom torchvision import transforms as t\n\n\ndef transform():\n    return t.Compose([t.Resize(SIDE), t.ToTensor()])\n",
            sizes="SIDE = 8\n",
        ),
        warns=True,
    ),
]

TWINS = (
    *ANTIALIAS,
    *ONE_SIDE,
)
