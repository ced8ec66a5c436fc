"""Family 4, skew: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.code import V2, composed, twins

TO_DTYPE = twins(
    "ST414",
    {
        name: (text, text.replace("torch.float32)", "torch.float32, scale=True)").replace("float)", "float, True)"))
        for name, text in {
            "by attribute": composed(V2, "v2.Compose", "v2.ToImage()", "v2.ToDtype(torch.float32)"),
            "by name": composed(
                "import torch\nfrom torchvision.transforms.v2 import Compose, ToDtype as D", "Compose", "D(torch.float)"
            ),
            "by keyword": composed(V2, "v2.Compose", "v2.ToDtype(dtype=torch.float32)"),
            "through a constant": "import torch\nfrom torchvision.transforms import v2\n\nKIND = torch.float32\n\n\n"
            "def transform():\n    return v2.ToDtype(dtype=KIND)\n",
        }.items()
    },
    warns=True,
)

SCALE = (*TO_DTYPE[:-1], Twin(TO_DTYPE[-1].code, TO_DTYPE[-1].name, TO_DTYPE[-1].broken, warns=True))

DECODER = [
    Twin(
        "ST416",
        name,
        {"train.py": text},
        {"train.py": "from PIL import Image\n\nimage = Image.open('a.png')\n"},
        warns=True,
    )
    for name, text in {
        "by module": "import cv2\n\nimage = cv2.imread('a.png')\n",
        "under another name": "import cv2 as vision\n\nimage = vision.imread('a.png')\n",
        "by name": "from cv2 import imdecode\n\n\ndef read(data):\n    return imdecode(data, 1)\n",
    }.items()
]

TWINS = (
    *SCALE,
    *DECODER,
)
