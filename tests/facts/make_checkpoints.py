"""Writes tests/facts/checkpoints/: small files as torch really writes them, for the tests of the checkpoint reader.

Run it in an environment that has torch: `python tests/facts/make_checkpoints.py`. It never runs in the tests.
"""

from __future__ import annotations

import io
import json
import platform
import zipfile
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "checkpoints"


class Labelled:
    """A model with a label, which lives in the `__main__` of this script.

    A legacy file holds the source of every Module's class, and the path of its file: there it gets weights only.
    """

    def __init__(self, model: object) -> None:
        self.label = "seven"
        self.model = model


def save_as_if_on_cuda(state: dict[str, Any], file: Path) -> None:
    """Write the device tag that a tensor on the first GPU has, without a GPU."""
    tag = torch.serialization.location_tag
    torch.serialization.location_tag = lambda _storage: "cuda:0"
    try:
        torch.save(state, file)
    finally:
        torch.serialization.location_tag = tag


def save_script(net: torch.nn.Module, file: Path) -> None:
    """Write a TorchScript archive without its debug records, which hold the paths of this machine."""
    whole = io.BytesIO()
    torch.jit.save(torch.jit.script(net), whole)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(file, "w") as lean:
        for entry in archive.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                lean.writestr(entry, archive.read(entry))
    torch.jit.load(str(file))


def main() -> None:
    """Write every file and the versions that wrote them."""
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 1)
    torch.save(net.state_dict(), FOLDER / "state_dict.pt")
    torch.save(Labelled(net), FOLDER / "whole_model.pt")
    torch.save(net.state_dict(), FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(Labelled(net.state_dict()), FOLDER / "legacy_labelled.pt", _use_new_zipfile_serialization=False)
    save_as_if_on_cuda(net.state_dict(), FOLDER / "cuda.pt")
    save_script(net, FOLDER / "script.pt")
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    (FOLDER / "versions.json").write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
