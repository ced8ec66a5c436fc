"""Family 1, imports: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import TRANSFORMS, Twin
from tests.projects.code import HELPER

EDGES = "def edges(image):\n    import cv2\n    return cv2.Canny(image, 1, 2)\n"

TWINS = (
    *(
        Twin("ST110", name, {"predictor/transforms.py": f"{line}\n{TRANSFORMS}"})
        for name, line in {
            "imported under another name": "import cv2 as vision",
            "a name of it imported": "from cv2 import resize",
        }.items()
    ),
    Twin(
        "ST110",
        "imported where it is used",
        {"predictor/transforms.py": f"{EDGES}\n{TRANSFORMS}\nCHECKED = edges\n"},
        {"predictor/transforms.py": f"{EDGES}\n{TRANSFORMS}"},
        warns=True,
    ),
    Twin(
        "ST110",
        "of the tool, where only the runtime ships",
        {"predictor/transforms.py": f"from seatrial.golden import record\n{TRANSFORMS}"},
        {"predictor/transforms.py": f"from seatrial.serving.stages import stage\n{TRANSFORMS}"},
    ),
    Twin(
        "ST110",
        "a helper away",
        {"predictor/transforms.py": HELPER, "predictor/ink.py": "import cv2\n\ndef crop(page):\n    return page\n"},
        {"predictor/transforms.py": HELPER, "predictor/ink.py": "def crop(page):\n    return page\n"},
    ),
)
