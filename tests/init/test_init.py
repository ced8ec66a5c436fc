"""`seatrial init`: what it writes into repositories as people have them, and what it says of it."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

from seatrial import __version__
from seatrial.check.run import check
from seatrial.cli.main import main
from seatrial.facts.gather import Gathered
from seatrial.facts.tables import torch_pairs
from seatrial.findings import Finding, Severity
from seatrial.project import load
from tests.conftest import ROOT
from tests.weights import built, safetensors

TRAIN = """
import torch
from torch import nn
from torchvision import datasets, models, transforms

SIZE = 224
data_transforms = {
    "train": transforms.Compose([transforms.RandomResizedCrop(SIZE), transforms.ToTensor()]),
    "val": transforms.Compose([transforms.Resize(256), transforms.CenterCrop(SIZE), transforms.ToTensor()]),
}
class_names = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]
model = models.resnet18(weights="DEFAULT")
model.fc = nn.Linear(model.fc.in_features, len(class_names))
torch.save(model.state_dict(), "best.safetensors")
"""


def repository(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def init(folder: Path, *options: str) -> int:
    return main(["init", "--project", str(folder), *options])


def errors(folder: Path) -> list[str]:
    """Return the codes and messages of what the check would refuse."""
    events = check(Gathered(load(folder)), offline=True)
    found = [e for e in events if isinstance(e, Finding) and e.severity is Severity.ERROR]
    return [f"{finding.code} {finding.message}" for finding in found]


ONLY_THE_LOCK = ["ST101 there is no requirements.txt"]


def test_weights_and_the_script_that_trained_them_become_a_project(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"train.py": TRAIN})
    safetensors(tmp_path / "best.safetensors", {f"module.{n}": s for n, s in built("resnet18").items()})
    assert init(tmp_path, "--yes") == 0
    told = capsys.readouterr().out
    assert "torchvision's resnet18  (from the names and shapes of the weights, and train.py:12)" in told
    assert "`module.` is taken from their beginning" in told
    assert "7 names  (from train.py:11)" in told
    assert "224  (from train.py:6)" in told
    text = (tmp_path / "predictor.py").read_text()
    ast.parse(text)
    assert 'name.removeprefix("module.")' in text
    assert "transforms.CenterCrop(224)" in text
    assert "RandomResizedCrop" not in text
    assert json.loads((tmp_path / "artifacts/labels.json").read_text())[6] == "gnu"
    assert (tmp_path / "artifacts/best.safetensors").exists()
    assert "safetensors" in (tmp_path / "requirements.in").read_text()
    assert "/build/" in (tmp_path / ".gitignore").read_text()
    assert f"rehearse.yml@v{__version__}" in (tmp_path / ".github/workflows/seatrial.yml").read_text()
    assert errors(tmp_path) == ONLY_THE_LOCK


def test_bare_weights_name_their_architecture_and_what_stays_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = safetensors(tmp_path / "best.safetensors", built("mobilenet_v2"))
    assert init(tmp_path, "--checkpoint", str(weights), "--yes") == 0
    told = capsys.readouterr().out
    assert "torchvision's mobilenet_v2  (from the names and shapes of the weights)" in told
    assert "not known: the transforms (size, normalisation): those that torchvision has for mobilenet_v2" in told
    assert "not known: the names of the 7 classes" in told
    assert errors(tmp_path) == ONLY_THE_LOCK


def test_nothing_is_overwritten_and_a_second_run_finds_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    safetensors(tmp_path / "best.safetensors", built("resnet18"))
    own = '[project]\nname = "own"  # mine\r\n\r\n[tool.other]\nkey = 1'
    repository(tmp_path, {"train.py": TRAIN, "requirements.in": "torch==2.8.0\n", ".gitignore": "*.safetensors\n"})
    (tmp_path / "pyproject.toml").write_bytes(own.encode())
    assert init(tmp_path, "--yes") == 0
    text = (tmp_path / "pyproject.toml").read_bytes().decode()
    assert text.startswith(own)
    assert tomllib.loads(text)["tool"]["seatrial"]["predictor"] == "predictor:Predictor"
    assert (tmp_path / "requirements.in").read_text() == "torch==2.8.0\n"
    assert (tmp_path / ".gitignore").read_text() == "*.safetensors\n/build/\n!/artifacts/best.safetensors\n"
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    capsys.readouterr()
    assert init(tmp_path, "--yes") == 0
    assert "nothing is missing" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_dry_run_shows_a_diff_that_git_applies_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"train.py": TRAIN, "pyproject.toml": "[tool.other]\nkey = 1\n"})
    assert init(tmp_path, "--yes", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pyproject.toml", "train.py"]
    diff = shown[: shown.index("\n  model ") + 1]
    subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=tmp_path, check=True, timeout=60)
    assert load(tmp_path).predictor == "predictor:Predictor"


def test_a_hand_written_requirements_txt_stays_and_serving_gets_a_lock_of_its_own(tmp_path: Path) -> None:
    theirs = "torch==2.3.1\ntorchvision==0.18.1\ntensorboard\n"
    repository(tmp_path, {"train.py": TRAIN, "requirements.txt": theirs})
    assert init(tmp_path, "--yes") == 0
    assert (tmp_path / "requirements.txt").read_text() == theirs
    project = load(tmp_path)
    assert (project.requirements_in.name, project.lock_file.name) == (
        "requirements-serving.in",
        "requirements-serving.txt",
    )
    asked = project.requirements_in.read_text()
    assert "torch==2.3.1" in asked
    assert "torchvision==0.18.1" in asked
    assert "tensorboard" not in asked
    assert "ST101 there is no requirements-serving.txt" in errors(tmp_path)


@pytest.mark.parametrize(
    ("files", "python", "torch"),
    [
        ({"pyproject.toml": '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.10,<3.11"\n'}, "3.10", ""),
        ({"poetry.lock": '[[package]]\nname = "torch"\nversion = "2.2.2"\n'}, "3.11", "2.2.2"),
        ({"uv.lock": '[[package]]\nname = "torch"\nversion = "2.4.1"\n', ".python-version": "3.12\n"}, "3.12", "2.4.1"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.10"\ntorch = "2.5.1"\n'}, "3.11", "2.5.1"),
        ({"environment.yml": "dependencies:\n- python=3.10\n- pytorch=2.1.2\n"}, "3.10", "2.1.2"),
        ({"requirements.txt": "torch==1.4.0\ntorchvision==0.5.0\nflask\n"}, "3.11", ""),
    ],
)
def test_python_and_pair_are_those_of_training_where_a_server_can_have_them(
    tmp_path: Path, files: dict[str, str], python: str, torch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"train.py": TRAIN, **files})
    assert init(tmp_path, "--yes") == 0
    project = load(tmp_path)
    assert project.python == python
    asked = project.requirements_in.read_text()
    assert f"torch=={torch}" in asked
    told = capsys.readouterr().out
    assert ("training's" in told) is bool(torch)
    assert ("numpy<2" in asked) is (torch in ("2.2.2", "2.1.2"))


def test_the_pair_follows_the_python_that_is_asked_for_unless_training_pins_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"train.py": TRAIN})
    assert init(tmp_path, "--yes", "--dry-run", "--python", "3.10") == 0
    told = capsys.readouterr().out
    assert '+python = "3.10"' in told
    (torch,) = re.findall(r"^\+torch==(\S+)", told, re.MULTILINE)
    assert "3.10" in torch_pairs().torch[Version(torch)]
    (tmp_path / "requirements.txt").write_text("torch==2.2.2\n")
    assert init(tmp_path, "--yes", "--python", "3.13") == 2
    told = capsys.readouterr().err
    assert "Python 3.13: torch 2.2.2 and torchvision 0.17.2, training's, by requirements.txt:1, have no wheels" in told
    assert "with --python: 3.10, 3.11, 3.12\n" in told


def test_a_table_that_is_there_says_which_class_serves_and_which_python_the_pair_must_have(tmp_path: Path) -> None:
    table = '[tool.seatrial]\npredictor = "app.serve:Birds"\npython = "3.10"\n'
    repository(tmp_path, {"train.py": TRAIN, "pyproject.toml": table})
    assert init(tmp_path, "--yes") == 0
    assert "from app.serve import Birds\n" in (tmp_path / "record_golden.py").read_text()
    (torch,) = re.findall(r"^torch==(\S+)", (tmp_path / "requirements.in").read_text())
    assert "3.10" in torch_pairs().torch[Version(torch)]


def test_a_class_of_the_repository_is_imported_from_a_module_and_copied_from_a_script(tmp_path: Path) -> None:
    net = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, classes):\n        pass\n"
    train = (
        "from nets.net import Net\nfrom torchvision import transforms\nfrom PIL import Image\n\n\n"
        "class Square:\n    def __call__(self, image):\n        return image.resize((FOUR, FOUR), Image.BILINEAR)\n\n\n"
        "FOUR = 4\nbatch = open('x').read()\n"
        "test_transform = transforms.Compose([Square(), transforms.ToTensor()])\nmodel = Net(classes=5)\n"
    )
    repository(tmp_path, {"nets/net.py": net, "train.py": train})
    assert init(tmp_path, "--yes") == 0
    text = (tmp_path / "predictor.py").read_text()
    assert "from nets.net import Net" in text
    assert "classes =" not in text
    assert "# From train.py:6" in text
    assert "FOUR = 4" in text
    assert "open('x')" not in text
    assert set(load(tmp_path).packages) == {"predictor", "nets"}


def test_a_predictor_that_is_there_is_kept(tmp_path: Path) -> None:
    cpr = (
        "from google.cloud.aiplatform.prediction.predictor import Predictor\n\n\n"
        "class Digits(Predictor):\n"
        "    def load(self, artifacts_uri): ...\n    def preprocess(self, prediction_input): ...\n"
        "    def predict(self, instances): ...\n    def postprocess(self, results): ...\n"
    )
    repository(tmp_path, {"src/serving/predictor.py": cpr, "src/serving/__init__.py": ""})
    assert init(tmp_path, "--yes") == 0
    assert load(tmp_path).predictor == "serving.predictor:Digits"
    assert not (tmp_path / "predictor.py").exists()
    assert "google-cloud-aiplatform[prediction]  # imported" in (tmp_path / "requirements.in").read_text()
    assert errors(tmp_path) == ONLY_THE_LOCK


def test_each_project_within_a_repository_gets_a_workflow_in_its_root(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    repository(tmp_path, {"models/digits/train.py": TRAIN, "models/other/train.py": TRAIN})
    for name in ("digits", "other", "other"):
        assert init(tmp_path / "models" / name, "--yes") == 0
        text = (tmp_path / f".github/workflows/seatrial-models-{name}.yml").read_text()
        assert f"project: models/{name}\n" in text
    assert len(list((tmp_path / ".github/workflows").iterdir())) == 2


NET = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, classes):\n        super().__init__()\n"
USES = """from torchvision import transforms
from {module} import Net

test_transform = transforms.Compose([transforms.ToTensor()])
if __name__ == "__main__":
    model = Net(classes=2)
"""


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        ({"src/pets/net.py": NET, "src/pets/train.py": USES.format(module="pets.net")}, {"pets", "predictor"}),
        ({"src/net.py": NET, "src/train.py": USES.format(module="net")}, {"net", "predictor"}),
        ({"work/models/net.py": NET, "work/train.py": USES.format(module="models.net")}, {"work", "predictor"}),
        ({"code/net.py": NET, "code/train.py": USES.format(module="net")}, {"predictor"}),
        (
            {
                "lib/pets/net.py": NET,
                "train.py": USES.format(module="pets.net"),
                "pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["lib"]\n',
            },
            {"pets", "predictor"},
        ),
    ],
    ids=["src", "scripts in src", "below a folder", "the name of a standard module", "of the build backend"],
)
def test_packages_are_found_where_they_lie(tmp_path: Path, files: dict[str, str], packages: set[str]) -> None:
    repository(tmp_path, files)
    assert init(tmp_path, "--yes") == 0
    assert set(load(tmp_path).packages) == packages
    assert [error[:5] for error in errors(tmp_path)] == ["ST317", "ST101"]  # the weights and the lock


def test_one_of_several_predictors_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "class {name}:\n    def from_path(model_dir): ...\n    def predict(self, instances, **kwargs): ...\n"
    repository(tmp_path, {"cats.py": code.format(name="Cats"), "dogs.py": code.format(name="Dogs")})
    assert init(tmp_path) == 2
    assert "one of cats:Cats, dogs:Dogs" in capsys.readouterr().err
    assert init(tmp_path, "--predictor", "birds:Birds") == 2
    assert init(tmp_path, "--predictor", "dogs:Dogs") == 0
    assert load(tmp_path).predictor == "dogs:Dogs"


def test_what_no_file_says_is_asked_and_without_a_terminal_the_option_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = safetensors(tmp_path / "best.safetensors", built("tf_efficientnet_b0"))
    assert init(tmp_path) == 2
    assert "--model" in capsys.readouterr().err
    names = ",".join("abcdefg")
    options = ("--model", "tf_efficientnet_b0", "--labels", names)
    assert init(tmp_path, "--checkpoint", str(weights), *options) == 0
    assert 'timm.create_model("tf_efficientnet_b0"' in (tmp_path / "predictor.py").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "a,b"), "--labels: 2 names, and the weights tell 7 classes apart"),
        (("--labels", "nope.txt"), "--labels: nope.txt is neither a file nor several names"),
        (("--labels", sys.executable), "cannot be read as text"),
        (("--python", "3.11.4"), "--python is 3.11.4"),
        (("--python", "3.9"), "have no wheels for it that a server can use\n  fix: name another with --python: 3.1"),
        (("--model", "vgg11"), "are not those of vgg11, but of resnet18"),
        (("--model", "nothing"), "neither the code here nor torchvision nor timm has nothing"),
        (("--checkpoint", "none.pth"), "there is no file none.pth"),
        (("--checkpoint", __file__), "which holds no weights"),
    ],
)
def test_a_wrong_option_writes_nothing(
    tmp_path: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    safetensors(tmp_path / "best.safetensors", built("resnet18"))
    assert init(tmp_path, "--yes", *options) == 2
    assert message in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_folder_without_a_model_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository(tmp_path, {"hello.py": "print('hello')\n", "broken.py": "def"})
    assert init(tmp_path, "--yes") == 2
    assert "there is no model here" in capsys.readouterr().err


SERVE = """
import os, torch
from fastapi import FastAPI
from torch import nn
from torchvision import models, transforms

HERE = os.path.dirname(__file__)
app = FastAPI()
preprocess = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
model = models.vgg16(weights="DEFAULT")
model.avgpool = nn.AdaptiveAvgPool2d(output_size=(1, 1))
model.classifier = nn.Sequential(nn.Flatten(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 13))
checkpoint = torch.load(os.path.join(HERE, "served.pth"))
model.load_state_dict(checkpoint["model_state"])
"""


def test_an_application_becomes_a_predictor_with_all_that_it_changes_in_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"backend/app.py": SERVE})
    assert init(tmp_path, "--yes") == 0
    text = (tmp_path / "predictor.py").read_text()
    assert 'artifacts / "served.pth", map_location="cpu", weights_only=True)["model_state"]' in text
    assert "model.avgpool = nn.AdaptiveAvgPool2d(output_size=(1, 1))" in text
    assert 'classes = len(weights["classifier.3.weight"])' in text
    assert "nn.Linear(256, classes)" in text
    assert "fastapi" not in (tmp_path / "requirements.in").read_text()
    assert "missing: the weights, which backend/app.py:13 loads as served.pth: copy them to artifacts/served.pth" in (
        capsys.readouterr().out
    )


LIGHTNING = """
import argparse
import timm
import pytorch_lightning as pl
from torchvision import transforms


class Classifier(pl.LightningModule):
    def __init__(self, name):
        super().__init__()
        self.net = timm.create_model(name, num_classes=4, in_chans=1)

    def forward(self, x):
        return self.net(x)


def evaluation(size):
    return transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])


parser = argparse.ArgumentParser()
parser.add_argument("--arch", default="vit_tiny_patch16_224")
parser.add_argument("--img-size", type=int, default=160)
args = parser.parse_args()
model = Classifier(args.arch)
valid_transform = evaluation(args.img_size)
"""


def test_a_class_that_only_holds_a_model_is_left_out_and_defaults_of_options_are_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(tmp_path, {"train.py": LIGHTNING})
    assert init(tmp_path, "--yes") == 0
    text = (tmp_path / "predictor.py").read_text()
    assert 'timm.create_model("vit_tiny_patch16_224", pretrained=False' in text
    assert 'removeprefix("net.")' in text
    assert "transforms.Resize((160, 160))" in text
    assert "lightning" not in text
    assert "in_chans=1" in text
    assert load(tmp_path).serving.image.mode == "L"
    assert "160  (from train.py:23)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("losses", "scores"),
    [
        ("nn.BCEWithLogitsLoss()", ".sigmoid()"),
        ("nn.CrossEntropyLoss()", ".softmax(dim=1)"),
        ("nn.BCEWithLogitsLoss(), nn.CrossEntropyLoss()", ".softmax(dim=1)"),
    ],
)
def test_the_loss_says_what_makes_scores(tmp_path: Path, losses: str, scores: str) -> None:
    repository(tmp_path, {"train.py": f"{TRAIN}\nlosses = [{losses}]\n"})
    assert init(tmp_path, "--yes") == 0
    assert f"{scores}.cpu()" in (tmp_path / "predictor.py").read_text()


def test_a_builder_of_an_old_torchvision_gets_the_argument_that_it_knows(tmp_path: Path) -> None:
    repository(tmp_path, {"train.py": TRAIN, "environment.yml": "dependencies:\n- pytorch=1.11.0\n"})
    assert init(tmp_path, "--yes") == 0
    assert "models.resnet18(pretrained=False" in (tmp_path / "predictor.py").read_text()


def test_the_code_of_a_notebook_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n"]}]
    cells.append({"cell_type": "code", "source": TRAIN.splitlines(keepends=True)})
    repository(tmp_path, {"train.ipynb": json.dumps({"cells": cells})})
    assert init(tmp_path, "--yes") == 0
    assert "models.resnet18" in (tmp_path / "predictor.py").read_text()


def test_a_builder_whose_name_no_file_tells_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import timm\n\n\ndef build(config):\n    return timm.create_model(config.arch, num_classes=2)\n"
    repository(tmp_path, {"factory.py": code})
    assert init(tmp_path, "--yes") == 2
    assert "factory.py:5 builds the model that `config.arch` names, and no file tells what" in capsys.readouterr().err
    assert init(tmp_path, "--yes", "--model", "resnet18") == 0


def test_one_score_tells_two_classes_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository(tmp_path, {"train.py": "class_names = ['cat', 'dog']\nimport torch\n"})
    shapes = {**built("resnet18"), "fc.weight": (1, 512), "fc.bias": (1,)}
    safetensors(tmp_path / "best.safetensors", shapes)
    assert init(tmp_path, "--yes") == 0
    assert "sigmoid(), because there is one output" in capsys.readouterr().out
    text = (tmp_path / "predictor.py").read_text()
    assert "self._labels[int(output[0] > 0.5)]" in text
    assert json.loads((tmp_path / "artifacts/labels.json").read_text()) == ["cat", "dog"]


def test_what_is_taken_of_several_is_told_with_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys\nfrom torchvision import models\n\nbig = models.__dict__[sys.argv[1]]()\n"
    repository(tmp_path, {"train.py": f"{TRAIN}{code}"})
    for name in ("best", "last"):
        safetensors(tmp_path / f"{name}.safetensors", {"other.weight": (2, 3)})
    assert init(tmp_path, "--yes", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "whether other weights serve: there is last.safetensors; --checkpoint chooses" in told
    assert "whether that is the model: train.py:18 builds the one that `sys.argv[1]` names" in told


HANDLER = """
import torch
from torch import nn
from torchvision import models, transforms
from ts.torch_handler.image_classifier import ImageClassifier


class BirdHandler(ImageClassifier):
    image_processing = transforms.Compose([transforms.Resize(64), transforms.CenterCrop(48), transforms.ToTensor()])

    def initialize(self, context):
        self.model = models.mobilenet_v2()
        self.model.classifier[1] = nn.Linear(1280, 3)
        self.model.load_state_dict(torch.load("birds.pth"))
"""


def test_a_torchserve_handler_becomes_a_predictor_with_its_model_transforms_and_names(tmp_path: Path) -> None:
    names = json.dumps({"0": "owl", "1": "crow", "2": "wren"})
    repository(tmp_path, {"handler.py": HANDLER, "index_to_name.json": names})
    assert init(tmp_path, "--yes") == 0
    text = (tmp_path / "predictor.py").read_text()
    assert 'models.mobilenet_v2(weights=None, num_classes=len(weights["classifier.1.weight"]))' in text
    assert "transforms.CenterCrop(48)" in text
    assert 'artifacts / "birds.pth"' in text
    assert json.loads((tmp_path / "artifacts/labels.json").read_text()) == ["owl", "crow", "wren"]
    assert "torchserve" not in (tmp_path / "requirements.in").read_text()
    assert errors(tmp_path) == ONLY_THE_LOCK


def test_settings_are_found_in_the_files_that_scripts_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = TRAIN.replace("SIZE = 224", "from settings import SIZE")
    repository(
        tmp_path, {"train.py": train, "settings.py": "import sizes\n\nSIZE = 2 * 80\n", "other.py": "SIZE = 1\n"}
    )
    assert init(tmp_path, "--yes") == 0
    assert "transforms.CenterCrop(160)" in (tmp_path / "predictor.py").read_text()
    assert "160  (from settings.py:3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "loads"),
    [
        ("script.pt", 'torch.jit.load(artifacts / "script.pt", map_location=self._device)'),
        ("exported.pt2", 'torch.export.load(artifacts / "exported.pt2").module()'),
    ],
)
def test_what_needs_no_class_is_loaded_without_one(tmp_path: Path, file: str, loads: str) -> None:
    given = ROOT / "tests/facts/checkpoints" / file
    assert init(tmp_path, "--yes", "--checkpoint", str(given)) == 0
    assert loads in (tmp_path / "predictor.py").read_text()
    assert (tmp_path / "artifacts" / file).read_bytes() == given.read_bytes()


class Terminal(io.StringIO):
    """A standard input that a person types into."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_questions_are_asked_and_answered_by_number_or_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    safetensors(tmp_path / "best.safetensors", built("tf_efficientnet_b0"))
    monkeypatch.setattr("sys.stdin", Terminal("2\na, b, c, d, e, f, g\n"))
    assert init(tmp_path) == 0
    asked = capsys.readouterr().out
    second = next(line.split()[1] for line in asked.splitlines() if line.startswith("  2  "))
    assert f'timm.create_model("{second}"' in (tmp_path / "predictor.py").read_text()
    assert json.loads((tmp_path / "artifacts/labels.json").read_text()) == list("abcdefg")
