"""Pipelines of albumentations, Hugging Face and timm, really installed: their stages are found, and replayed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.trial.known_changes import Case, reason
from tests.golden.stages.installed import RUN, Installing, run

pytestmark = pytest.mark.proof


@dataclass(frozen=True)
class Pipeline:
    """A predictor of a library, the names of its stages, and an edit of it with the stage that differs then."""

    environment: str
    predictor: str
    stages: tuple[str, ...]
    edit: tuple[str, str]
    guilty: str
    words: str = ""


PIPELINES = {
    "albumentations": Pipeline(
        "albumentations",
        """
import albumentations as A
import numpy as np

class Predictor:
    def __init__(self):
        steps = [A.Resize(48, 40), A.CenterCrop(32, 32), A.OneOf([A.HorizontalFlip(p=1.0)], p=1.0)]
        self.transform = A.Compose([*steps, A.Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))])

    def preprocess(self, image):
        return self.transform(image=np.asarray(image))["image"].transpose(2, 0, 1)

    def predict(self, batch):
        return batch.mean(axis=(2, 3))
""",
        ("decode", "Resize", "CenterCrop", "HorizontalFlip", "Normalize", "preprocess", "predict"),
        ("A.Resize(48, 40)", "A.Resize(48, 40, interpolation=3)"),
        "Resize",
    ),
    "hugging face": Pipeline(
        "libraries of torch",
        """
import torch
from transformers import ViTImageProcessor

class Predictor:
    def __init__(self):
        self.processor = ViTImageProcessor(size={"height": 32, "width": 32})

    def preprocess(self, image):
        return self.processor(images=image, return_tensors="pt")["pixel_values"][0]

    @torch.inference_mode()
    def predict(self, batch):
        return batch.mean(dim=(2, 3)).softmax(dim=1)
""",
        ("decode", "resize", "rescale_and_normalize", "preprocess", "predict"),
        ('"width": 32}', '"width": 32}, resample=3'),
        "resize",
    ),
    "timm": Pipeline(
        "libraries of torch",
        """
import timm
import torch
from timm.data import create_transform, resolve_model_data_config

torch.manual_seed(0)

class Predictor:
    def __init__(self):
        self.model = timm.create_model("resnet18", pretrained=False, num_classes=5).eval()
        self.transform = create_transform(**resolve_model_data_config(self.model), is_training=False)

    def preprocess(self, image):
        return self.transform(image)

    @torch.inference_mode()
    def predict(self, batch):
        return self.model(batch).softmax(dim=1)
""",
        ("decode", "Resize", "CenterCrop", "MaybeToTensor", "Normalize", "preprocess", "ResNet", "predict"),
        ("resolve_model_data_config(self.model), ", "{**resolve_model_data_config(self.model), 'crop_pct': 1.0}, "),
        "Resize",
        "the image gets another size",
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_stages_of_a_library_are_found_and_replayed_and_a_changed_one_is_named(
    python_of: Installing, photos: list[Path], tmp_path: Path, name: str
) -> None:
    pipeline, module = PIPELINES[name], tmp_path / "predictor.py"
    module.write_text(pipeline.predictor)
    python = str(python_of(pipeline.environment))
    given = [str(module), str(tmp_path / "artifacts"), *map(str, photos)]
    run([python, str(RUN), "record", *given])
    index = json.loads((tmp_path / "artifacts/golden/stages.json").read_text())
    assert [tuple(stage["name"] for stage in each["stages"]) for each in index["inputs"]] == [pipeline.stages] * 2
    assert replayed(python, given)["inputs"] == [[], []]
    assert pipeline.edit[0] in pipeline.predictor
    module.write_text(pipeline.predictor.replace(*pipeline.edit))
    found = replayed(python, given)
    assert [[stage["name"][0] for stage in told] for told in found["inputs"]] == [[pipeline.guilty]] * 2
    why = reason(Case(found["inputs"][0][0], found["was"], found["now"], found))
    assert (why.text if why else "") == pipeline.words


def replayed(python: str, given: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run([python, str(RUN), "replay", *given]).rpartition("\nreplayed ")[2])
    return found
