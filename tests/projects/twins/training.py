"""Family 1, training: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import PINS, Files, Twin
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

TWINS = (
    *(Twin("ST130", name, files) for name, files in OTHER_VERSION.items()),
    Twin("ST130", "a patch of torch", trained_with(torch="2.8.1"), warns=True),
)
