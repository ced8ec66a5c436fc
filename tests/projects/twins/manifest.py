"""Family 3, the manifest: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import PINS, Files, Twin
from tests.projects.locks import manifest

OTHER_FILES: dict[str, Files] = {
    "changed": {"artifacts/manifest.json": manifest(PINS, **{"weights.pt": "0" * 64})},
    "missing": {"artifacts/manifest.json": manifest(PINS, **{"labels.txt": "0" * 64})},
    "unlisted": {"artifacts/manifest.json": manifest(PINS), "artifacts/labels.txt": "cat\ndog\n"},
    "no manifest at all": {"artifacts/manifest.json": "[]"},
}

TWINS = (*(Twin("ST306", name, files) for name, files in OTHER_FILES.items()),)
