"""A good project that is large in every way that a check has to read: modules, their imports, and a checkpoint."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import file_digest
from pathlib import Path
from typing import Any

from tests.projects.base import BASE, PINS, made

MODULES = 500
CHECKPOINT = 500 << 20  # bytes
ZEROS = bytes(1 << 20)
FUNCTION = """\
def function_{n}(images, size={n}):
    \"\"\"Prepare a batch.\"\"\"
    prepared = []
    for image in images:
        if image.mode != "RGB":
            image = image.convert("RGB")
        prepared.append(functional.resize(image, [size, size], antialias=True))
    return torch.stack([functional.to_tensor(image) for image in prepared])
"""
NETWORK = """\
from torch import nn

from predictor import m0


def build():
    return nn.Linear(2, 1) if m0 else None
"""


def large_project(folder: Path) -> None:
    """Write a predictor that imports 500 modules of 60 lines, and its weights of 500 MB, which are a hole on disk."""
    files: dict[str, str | bytes | None] = {
        f"predictor/m{number}.py": "import torch\nfrom torchvision.transforms import functional\n"
        + (f"from predictor import m{number + 1}\n" if number + 1 < MODULES else "")
        + "".join(f"\n\n{FUNCTION.format(n=n)}" for n in range(1, 7))
        for number in range(MODULES)
    }
    made(folder, {**files, "predictor/network.py": NETWORK})
    weights = folder / "artifacts/weights.pt"
    content = BASE["artifacts/weights.pt"]
    assert isinstance(content, bytes)
    with (
        zipfile.ZipFile(io.BytesIO(content)) as small,
        _Sparse(weights, "w+") as file,
        zipfile.ZipFile(file, "w") as large,
    ):
        for entry in small.infolist():
            large.writestr(entry, small.read(entry))
        hole = f"{small.namelist()[0].split('/')[0]}/data/hole"
        with large.open(hole, "w") as record:
            for _ in range(CHECKPOINT // len(ZEROS)):
                record.write(ZEROS)
    with weights.open("rb") as written:
        listed = {"weights.pt": file_digest(written, "sha256").hexdigest()}
    manifest = json.loads((folder / "artifacts/manifest.json").read_text())
    manifest = {**manifest, "files": {**manifest["files"], **listed}, "trained_with": {**PINS, "python": "3.11.7"}}
    (folder / "artifacts/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


class _Sparse(io.FileIO):
    """A file in which zeros take no room."""

    def write(self, content: Any, /) -> int:
        if content == ZEROS:
            self.seek(len(ZEROS), io.SEEK_CUR)
            return len(ZEROS)
        return super().write(content) or 0
