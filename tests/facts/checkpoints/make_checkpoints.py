"""Writes tests/facts/checkpoints/: small files as torch writes them, for the tests of the checkpoint reader.

Run it as a script in an environment that has what it imports. The tests never run it.
"""

from __future__ import annotations

import io
import json
import pickle
import platform
import re
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import safetensors.torch
import torch
import torchvision
from torchvision import transforms

FOLDER = Path(__file__).parent


class Labelled:
    """A model with a label, which lives in the `__main__` of this script.

    A legacy file holds the source of every Module's class and the path of its file, so it gets weights only.
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


def save_exported(net: torch.nn.Module, file: Path) -> None:
    """Write an archive of torch.export without its stack traces, which hold the paths of this machine."""
    whole = io.BytesIO()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 2),)), whole)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(file, "w") as lean:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith(".json"):
                content = re.sub(rb'"stack_trace": "(?:[^"\\]|\\.)*"', b'"stack_trace": ""', content)
            lean.writestr(entry, content)
    torch.export.load(file)


def save_more(net: torch.nn.Module) -> None:
    """Write other kinds of files: wrappers, numpy 2, joblib, safetensors, torch.export, whole models and transforms."""
    torch.save(torch.nn.DataParallel(net).state_dict(), FOLDER / "parallel.pt")
    torch.save(torch.compile(net).state_dict(), FOLDER / "compiled.pt")
    torch.save({"state_dict": net.state_dict(), "accuracy": np.float64(0.98)}, FOLDER / "numpy_scalar.pt")
    arrays = {"mean": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "b"]), "rest": np.array([{}], dtype=object)}
    joblib.dump(arrays, FOLDER / "arrays.joblib")
    joblib.dump(arrays, FOLDER / "packed.joblib", compress=3)
    safetensors.torch.save_file(net.state_dict(), FOLDER / "weights.safetensors")
    save_exported(net, FOLDER / "exported.pt2")
    resize = transforms.Compose([transforms.Resize((8, 8)), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    (FOLDER / "transform.pkl").write_bytes(pickle.dumps(resize))
    torch.save(torch.nn.Sequential(torchvision.models.resnet.BasicBlock(1, 1), torch.nn.GELU()), FOLDER / "block.pt")
    torch.save({"state_dict": net.state_dict(), "transform": resize}, FOLDER / "with_transform.pt")


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
    save_more(net)
    made_by = (torch, torchvision, np, joblib, safetensors)
    versions = {"python": platform.python_version(), **{module.__name__: module.__version__ for module in made_by}}
    (FOLDER / "versions.json").write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
