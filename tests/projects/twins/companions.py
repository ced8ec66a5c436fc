"""Family 1, companions: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.locks import LOCK, of


def opencv(*names: str) -> Files:
    """Return a lock with these builds of OpenCV, one of which the predictor may import."""
    return {"requirements.txt": LOCK + lock(dict.fromkeys(names, "4.11.0.86"))}


TWINS = (
    Twin("ST131", "0.4.1", of(torch="1.3.0", torchvision="0.4.1", pillow="11.3.0", numpy="1.21.6")),
    Twin("ST131", "0.4.2", of(torch="1.3.1", torchvision="0.4.2", pillow="7.0.0", numpy="1.21.6")),
    Twin("ST131", "0.3.0", of(torch="1.1.0", torchvision="0.3.0", pillow="9.5.0", numpy="1.21.6")),
    Twin("ST132", "2.2", of(torch="2.2.2", torchvision="0.17.2")),
    Twin("ST132", "2.0", of(torch="2.0.1", torchvision="0.15.2", numpy="2.0.0"), of(numpy="2.0.0")),
    Twin(
        "ST132",
        "in the CPU lock too",
        {
            **of(torch="2.1.2", torchvision="0.16.2"),
            "requirements-cpu.txt": "--extra-index-url https://download.pytorch.org/whl/cpu\n"
            + lock({**PINS, "torch": "2.1.2+cpu", "torchvision": "0.16.2+cpu"}),
        },
    ),
    Twin("ST133", "with and without windows", opencv("opencv-python", "opencv-python-headless"), warns=True),
    Twin(
        "ST133",
        "with and without contrib",
        opencv("opencv-contrib-python-headless", "opencv-python-headless"),
        warns=True,
    ),
    Twin("ST133", "both with windows", opencv("opencv-contrib-python", "opencv_python"), warns=True),
    Twin("ST134", "alone", opencv("opencv-python"), opencv("opencv-python-headless"), warns=True),
    Twin("ST134", "spelled otherwise", opencv("OpenCV_Python"), opencv("opencv-python-headless"), warns=True),
    Twin("ST134", "contrib", opencv("opencv-contrib-python"), opencv("opencv-contrib-python-headless"), warns=True),
)
