"""Family 1, training: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.locks import manifest


def trained_with(**versions: str) -> Files:
    """Return a manifest of the base's artifacts that training wrote with other versions."""
    return {"artifacts/manifest.json": manifest({**PINS, "python": "3.11.7", **versions})}


OTHER_VERSION = {
    "torchvision across antialias": trained_with(torchvision="0.16.2"),
    "Pillow across libjpeg-turbo": trained_with(pillow="8.4.0"),
    "Pillow across its grey values": trained_with(pillow="6.2.2"),
    "torch with a label": trained_with(torch="2.7.1+cu126"),
}


def _prepared() -> Iterator[Twin]:
    """Libraries that prepare images: another major version is a fault, another minor one is none."""
    for trained, locked, version, same in (
        ("transformers", "transformers", "5.1.0", "5.0.0"),
        ("opencv-python", "opencv-python-headless", "4.12.0", "4.9.0"),
        ("timm", "timm", "1.0.20", "1.0.3"),
        ("scikit-image", "scikit-image", "0.25.2", "0.25.0"),
    ):
        pinned = {
            "requirements.txt": lock({**PINS, locked: version}),
            "requirements.in": f"torch\ntorchvision\npillow\n{locked}\n",
        }
        broken, mended = {**trained_with(**{trained: "0.9.1"}), **pinned}, {**trained_with(**{trained: same}), **pinned}
        yield Twin("ST130", f"another {trained}", broken, mended, warns=True)


TWINS = (
    *(Twin("ST130", name, files) for name, files in OTHER_VERSION.items()),
    *_prepared(),
    Twin("ST130", "a patch of torch", trained_with(torch="2.8.1"), warns=True),
)
