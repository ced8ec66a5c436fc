"""Real drifts between versions and between codes: each is found in its own stage, with its reason.

The environments are really installed: the oldest pair of torchvision and Pillow of each border that the available
Pythons can import.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seatrial.environment import interpreter
from seatrial.environment.interpreter import uv
from seatrial.trial.known_changes import Case, reason
from tests.stages import ended

pytestmark = pytest.mark.proof
ROOT = Path(__file__).parents[3]
RUN = Path(__file__).parent / "replayed.py"
# Python and pins; torch 2.1 needs numpy 1, and Pillow 8.4 has no wheel for a Python above 3.10.
ENVIRONMENTS = {
    "torchvision 0.16": (
        "3.11",
        ["torch==2.1.2", "torchvision==0.16.2", "numpy==1.26.4", "pillow==10.4.0", "setuptools==69.5.1"],
    ),
    "today": ("3.11", ["torch==2.15.0", "torchvision==0.29.2", "numpy==2.4.6", "pillow==13.0.0"]),
    "pillow 8.4": ("3.10", ["pillow==8.4.0", "numpy==1.26.4"]),
    "pillow 13": ("3.11", ["pillow==13.0.0", "numpy==2.4.6"]),
}
PLAIN = """
import numpy as np

class Predictor:
    def preprocess(self, image):
        return np.asarray(image, dtype=np.float32)

    def predict(self, batch):
        return batch.mean(axis=(1, 2))
"""
TORCH = """
import torch
from torchvision import transforms
from torchvision.transforms import v2

torch.manual_seed(0)

class Predictor:
    def __init__(self):
        self.model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.3))
        self.model.eval()
        self.transform = transforms.Compose([STEPS])

    def preprocess(self, image):
        return self.transform(image)

    @torch.inference_mode()
    def predict(self, batch):
        return self.model(batch).mean(dim=(2, 3)).softmax(dim=1)
"""
SQUARE, TENSOR = "transforms.CenterCrop(64)", "transforms.ToTensor()"
STATISTICS = "transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])"
SWAPPED = "transforms.Normalize([0.229, 0.224, 0.225], [0.485, 0.456, 0.406])"
LARGE = "transforms.Normalize([123.7, 116.3, 103.5], [58.4, 57.1, 57.4])"
SCALED, UNSCALED = ("v2.ToImage(), v2.ToDtype(torch.float32" + end for end in (", scale=True)", ")"))


def torch_of(*steps: str) -> str:
    return TORCH.replace("STEPS", ", ".join(steps))


def opening(expression: str) -> str:
    return f"{PLAIN}\nimport io\nfrom PIL import Image, ImageOps\ndef opening(data):\n    return {expression}\n"


@dataclass(frozen=True)
class Drift:
    """What training ran, what runs now, and what must be told: the stages that differ, and why the first does."""

    was: str
    now: str
    stages: tuple[str, ...]
    words: str
    before: str = "today"
    after: str = "today"


OPENED = 'Image.open(io.BytesIO(data)).convert("RGB")'
DRIFTS = {
    "antialias": Drift(
        torch_of(TENSOR, "transforms.Resize((32, 32))"), torch_of(TENSOR, "transforms.Resize((32, 32))"),
        ("Resize",), "antialiasing on one side only", before="torchvision 0.16",
    ),
    "jpeg": Drift(PLAIN, PLAIN, ("decode",), "Pillow 9.0", before="pillow 8.4", after="pillow 13"),
    "resize": Drift(
        torch_of("transforms.Resize((48, 48))", TENSOR), torch_of("transforms.Resize(48)", TENSOR),
        ("Resize",), "keeps the proportions",
    ),
    "scale": Drift(torch_of(SQUARE, TENSOR), torch_of(SQUARE, UNSCALED), ("ToTensor",), "scale=True"),
    "eval": Drift(
        torch_of(SQUARE, TENSOR), torch_of(SQUARE, TENSOR).replace("self.model.eval()", "self.model.train()"),
        ("Sequential",), "eval() was not called",
    ),
    "exif": Drift(
        opening('ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")'), opening(OPENED),
        ("decode",), "EXIF", before="pillow 13", after="pillow 13",
    ),
    "bgr": Drift(
        opening(f"np.asarray({OPENED})[..., ::-1]"), opening(f"np.asarray({OPENED})"), ("decode",), "BGR",
        before="pillow 13", after="pillow 13",
    ),
    "units": Drift(
        torch_of(SQUARE, TENSOR, STATISTICS), torch_of(SQUARE, TENSOR, LARGE), ("Normalize",), "units of 0 to 255 now",
    ),
    "swapped": Drift(
        torch_of(SQUARE, TENSOR, STATISTICS), torch_of(SQUARE, TENSOR, SWAPPED), ("Normalize",), "are swapped"
    ),
    "two at once": Drift(
        torch_of("transforms.Resize((48, 48))", TENSOR, STATISTICS), torch_of("transforms.Resize(48)", TENSOR, SWAPPED),
        ("Resize", "Normalize"), "keeps the proportions",
    ),
    "weights": Drift(
        torch_of(SQUARE, SCALED),
        torch_of(SQUARE, SCALED).replace("self.model.eval()", "self.model.eval()[0].weight.data.mul_(1.01)"),
        ("Sequential",), "",
    ),
    "nested, and nothing changed": Drift(
        torch_of(SQUARE, f"v2.Compose([{SCALED}, torch.nn.Sequential({STATISTICS}), lambda x: x * 2])"),
        torch_of(SQUARE, f"v2.Compose([{SCALED}, torch.nn.Sequential({STATISTICS}), lambda x: x * 2])"), (), "",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def python_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that installs an environment by its name and returns its Python."""
    made: dict[str, Path] = {}

    def install(name: str) -> Path:
        if name not in made:
            version, pins = ENVIRONMENTS[name]
            found = ended(interpreter.find(version)).value
            folder = tmp_path_factory.mktemp("environment")
            run([uv(), "venv", "--quiet", "--clear", "--python", str(found.executable), str(folder)])
            made[name] = folder / "bin/python"
            run([uv(), "pip", "install", "--quiet", "--python", str(made[name]), *pins])
        return made[name]

    return install


def run(command: list[str]) -> str:
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return two JPEG files of 4:2:0 with an EXIF orientation: colours and edges, and not square."""
    rows, columns = np.mgrid[0:72, 0:96]
    files = []
    for number in range(2):
        waves = [np.sin(rows / (3 + number)) + np.cos(columns / 5), np.sin(columns / 2), np.cos((rows + columns) / 7)]
        pixels = np.stack([(wave - wave.min()) / np.ptp(wave) * 255 for wave in waves], axis=2).astype(np.uint8)
        exif = Image.Exif()
        exif[274] = 6  # orientation: turned by a quarter
        files.append(tmp_path / f"{number}.jpg")
        Image.fromarray(pixels).save(files[-1], quality=90, subsampling="4:2:0", exif=exif)
    return files


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_is_found_in_its_stage_with_its_reason(
    python_of: Callable[[str], Path], photos: list[Path], tmp_path: Path, name: str
) -> None:
    drift, artifacts, images = DRIFTS[name], tmp_path / "artifacts", list(map(str, photos))
    was, now = tmp_path / "was.py", tmp_path / "now.py"
    was.write_text(drift.was)
    now.write_text(drift.now)
    run([str(python_of(drift.before)), str(RUN), "record", str(was), str(artifacts), *images])
    printed = run([str(python_of(drift.after)), str(RUN), "replay", str(now), str(artifacts), *images])
    found: dict[str, Any] = json.loads(printed.rpartition("\nreplayed ")[2])
    assert [_guilty(told) for told in found["inputs"]] == [list(drift.stages)] * 2
    for told in found["inputs"]:
        why = reason(Case(_judged(told)[0], found["was"], found["now"], found, b"\xff\xd8")) if drift.stages else None
        assert drift.words in (why.text if why else "")
        assert not drift.words or why is not None


def _judged(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what differs by more than the trial allows."""
    return [each for each in told if each["phase"] != "output" or each["largest"] > 1e-5 * max(1, each["span"])]


def _guilty(told: list[dict[str, Any]]) -> list[str]:
    return [each["name"][0] for each in _judged(told)]
