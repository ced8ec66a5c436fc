"""Pairs of projects that differ in one fault: a small base, what breaks it, and what mends it again.

`tests/projects/twins/` has a module with the pairs of each rule module, under the same name, and the test of the rule
module judges them: on the broken project exactly the rule's code is found, on its twin nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.facts.libraries import remembered
from seatrial.facts.libraries.remembered import Remembered
from seatrial.facts.packages.wheels import Wheels, key_of, remember
from seatrial.facts.repository.served import answering
from seatrial.project import Project, load
from seatrial.system.cache import cache_dir

Files = Mapping[str, str | bytes | None]

HERE = Path(__file__).parent
PINS = {"numpy": "2.3.3", "pillow": "11.3.0", "torch": "2.8.0", "torchvision": "0.23.0"}


def lock(pins: Mapping[str, str]) -> str:
    """Return a lock of these pins, name → version, each with a hash."""
    return "".join(f"{name}=={version} \\\n    --hash=sha256:{'0' * 64}\n" for name, version in pins.items())


PREDICTOR = """\
import json
from pathlib import Path

import torch

from predictor.network import build
from predictor.transforms import transform


class Predictor:
    def load(self, artifacts_uri):
        weights = torch.load(Path(artifacts_uri) / "weights.pt", map_location="cpu", weights_only=True)
        self._network = build()
        self._network.load_state_dict(weights)
        self._network.eval()
        self._transform = transform()

    def preprocess(self, image):
        return self._transform(image.convert("RGB"))

    @torch.inference_mode()
    def predict(self, batch):
        return self._network(batch)

    def postprocess(self, output):
        return {"scores": output.tolist()}
"""
NETWORK = """\
from torch import nn


def build():
    return nn.Linear(2, 1)
"""
TRANSFORMS = """\
from torchvision import transforms


def transform():
    return transforms.Compose([transforms.Resize((8, 8), antialias=True), transforms.ToTensor()])
"""
BASE: Files = {
    "pyproject.toml": '[tool.seatrial]\nname = "twin"\npredictor = "predictor:Predictor"\npython = "3.11"\n',
    "requirements.in": "torch\ntorchvision\npillow\n",
    "requirements.txt": lock(PINS),
    "predictor/__init__.py": "from predictor.predictor import Predictor\n",
    "predictor/predictor.py": PREDICTOR,
    "predictor/network.py": NETWORK,
    "predictor/transforms.py": TRANSFORMS,
    "artifacts/weights.pt": (HERE.parent / "facts/checkpoints/state_dict.pt").read_bytes(),
    "artifacts/golden/golden.json": '[{"instance": {"b64": ""}, "response": {"scores": [0.5]}}]\n',
}


@dataclass(frozen=True)
class Twin:
    """A project with one fault, and the same project without it.

    Attributes:
        code: what is found in the broken one, and nothing else.
        name: the spelling of the fault, unique within the code.
        broken: files on top of the base, by path; None takes a file away.
        mended: the same files without the fault; the base's own where nothing is said.
        count: how often it is found.
        warns: whether it is found as less than an error.
        wheels: what is known of the wheels of its locks.
        mended_wheels: the same of the twin; like `wheels` where nothing is said.
        taken: what is known of the names that it takes from the libraries of its lock.
    """

    code: str
    name: str
    broken: Files
    mended: Files = field(default_factory=dict)
    count: int = 1
    warns: bool = False
    wheels: Wheels | None = None
    mended_wheels: Wheels | None = None
    taken: Remembered | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


def made(folder: Path, files: Files, wheels: Wheels | None = None, taken: Remembered | None = None) -> Project:
    """Write the base with `files` on top of it into `folder`, with a manifest that fits unless `files` has one.

    What is known of the wheels and libraries of its locks is remembered in the cache folder.
    """
    everything = {**BASE, **files}
    for path, content in everything.items():
        if content is not None:
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
    artifacts = folder / "artifacts"
    if "artifacts/manifest.json" not in files and artifacts.is_dir():
        listed = {f.relative_to(artifacts).as_posix(): _sha256(f) for f in sorted(artifacts.rglob("*")) if f.is_file()}
        manifest = {"format": 1, "files": listed, "trained_with": {**PINS, "python": "3.11.7"}}
        (artifacts / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    project = load(folder, unwritten=answering)
    for file in (project.lock_file, project.cpu_lock_file):
        if wheels and file.is_file():
            remember(cache_dir(), key_of(file.read_text(encoding="utf-8"), project.python), wheels)
    if taken:
        key = key_of(project.lock_file.read_text(encoding="utf-8"), project.python)
        remembered.remember(cache_dir(), key, taken)
    return project


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
