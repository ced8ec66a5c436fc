"""`seatrial init`: what it says of a model that the files tell only in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.init.test_init import init, repository


def test_a_value_that_no_file_tells_is_missing_and_not_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = (
        "import lightning\nfrom torch import nn\nfrom conf import read\n\n\n"
        "class Net(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n\n\n"
        "def main(conf):\n    lightning.Trainer().fit(Net(conf.width))\n"
    )
    repository(tmp_path, {"train.py": train})
    assert init(tmp_path, "--yes") == 0
    told = capsys.readouterr().out
    assert "missing: the value of `conf.width`, which building the model in train.py:12 needs" in told
    assert (
        "train.py:12 saves: copy them to artifacts/model.ckpt, where the predictor reads the state_dict under" in told
    )
    text = (tmp_path / "predictor.py").read_text()
    assert "# No file tells what these are, write it here: conf.width" in text
    assert 'artifacts / "model.ckpt", map_location="cpu", weights_only=True)["state_dict"]' in text


def test_a_name_that_no_library_has_is_not_said_to_be_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"a.py": "import timm\nmodel = timm.create_model('resnet_of_old')\n"})
    assert init(tmp_path, "--yes") == 2
    told = capsys.readouterr().err
    assert "a.py:2 builds the model that is called resnet_of_old, and no classifier of torchvision or timm is" in told


FIRST_WEIGHTS = """
from torchvision import models

WEIGHTS = models.ResNet50_Weights.IMAGENET1K_V1
model = models.resnet50(weights=WEIGHTS)
transform = WEIGHTS.transforms()
class_indices = {0: "crane", 1: "heron", 2: "crane"}
"""


def test_the_first_weights_have_their_own_transforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository(tmp_path, {"app.py": FIRST_WEIGHTS})
    assert init(tmp_path, "--yes") == 0
    told = capsys.readouterr().out
    assert 'torchvision.models.resnet50(weights="IMAGENET1K_V1").state_dict()' in told
    assert "3 names  (from app.py:7)" in told
    text = (tmp_path / "predictor.py").read_text()
    assert "transforms.Resize(256, " in text  # the second weights take 232
    assert "models.resnet50(weights=None" in text


def test_how_to_get_the_weights_of_timm_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository(tmp_path, {"app.py": "import timm\nmodel = timm.create_model('resnet26', pretrained=True)\n"})
    assert init(tmp_path, "--yes") == 0
    assert 'timm.create_model("resnet26", pretrained=True).state_dict()' in capsys.readouterr().out
