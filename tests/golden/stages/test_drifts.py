"""Real drifts between versions and between codes: each is found in its own stage, with its reason.

The environments are really installed: the oldest pair of torchvision and Pillow of each border that the available
Pythons can import.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.project import SmokeSettings
from seatrial.trial.allowances import Allowances
from seatrial.trial.known_changes import Case, reason
from tests.golden.stages.installed import RUN, Installing, run

pytestmark = pytest.mark.proof
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


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_is_found_in_its_stage_with_its_reason(
    python_of: Installing, photos: list[Path], tmp_path: Path, name: str
) -> None:
    drift, artifacts, images = DRIFTS[name], tmp_path / "artifacts", list(map(str, photos))
    was, now = tmp_path / "was.py", tmp_path / "now.py"
    was.write_text(drift.was)
    now.write_text(drift.now)
    run([str(python_of(drift.before)), str(RUN), "record", str(was), str(artifacts), *images])
    printed = run([str(python_of(drift.after)), str(RUN), "replay", str(now), str(artifacts), *images])
    found: dict[str, Any] = json.loads(printed.rpartition("\nreplayed ")[2])
    judged = [_judged(told, found) for told in found["inputs"]]
    assert [[each["name"][0] for each in told] for told in judged] == [list(drift.stages)] * 2
    for told in judged:
        why = reason(Case(told[0], found["was"], found["now"], found, b"\xff\xd8")) if drift.stages else None
        assert drift.words in (why.text if why else "")
        assert not drift.words or why is not None


def _judged(told: list[dict[str, Any]], found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what differs by more than the trial allows."""
    allowances = Allowances(SmokeSettings(), "cpu", found["was"], found["now"])
    return [each for each in told if not allowances.permits(each)]
