"""What the rules for code must leave alone, and what else they say: versions on two sides, and edits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seatrial.findings import Severity
from tests.projects.base import PINS, PREDICTOR, TRANSFORMS, made
from tests.projects.twins.transforms import NEWEST, OLD
from tests.small_project import findings, locked, places, small_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects.base import Files

USUAL = """\
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torchvision import transforms as T
from torchvision.models import resnet18

DEVICE = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


class Predictor:
    def __init__(self):
        self.model = None
        self.device = DEVICE

    def load(self, artifacts_uri):
        net = resnet18(weights=None)
        net.fc = torch.nn.Linear(net.fc.in_features, 2)
        state = torch.load(Path(artifacts_uri, "weights.pt"), map_location=self.device)
        if "state_dict" in state:
            state = state["state_dict"]
        net.load_state_dict(state)
        self.model = net.to(self.device).eval()
        self.tf = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), T.Normalize([0.5], [0.5])])

    def preprocess(self, image):
        return self.tf(image)

    def predict(self, batch):
        with torch.no_grad():
            return F.softmax(self.model(batch.to(self.device)), dim=1).cpu().numpy()

    def postprocess(self, output):
        top = output.argsort()[::-1][:5]
        return {"scores": [float(output[i]) for i in top], "note": json.dumps([int(i) for i in top])}
"""
TRAINING = """

def train():
    import torchvision

    net = torchvision.models.resnet18(weights="DEFAULT").cuda()
    torch.save(net, "x.pt")


if __name__ == "__main__":
    train()
"""
DEVICES = """self._network = build()
        use_gpu = self.has_gpu()
        if use_gpu:
            self._network.cuda()
        try:
            self._network.to("cuda")
        except RuntimeError:
            pass
        self.device = "cuda" if use_gpu else "cpu"
        torch.zeros(1, device=self.device)"""
GOOD: dict[str, Files] = {
    "a usual predictor": {"predictor/predictor.py": USUAL},
    "a usual predictor in old versions": {
        **OLD,
        "predictor/predictor.py": USUAL.replace(
            "map_location=self.device", "map_location=self.device, weights_only=True"
        ),
    },
    "a usual predictor in the newest versions": {**NEWEST, "predictor/predictor.py": USUAL},
    "training in the predictor's module": {"predictor/predictor.py": PREDICTOR + TRAINING},
    "a device that is asked for": {"predictor/predictor.py": PREDICTOR.replace("self._network = build()", DEVICES)},
    "names of its own": {
        "predictor/transforms.py": TRANSFORMS
        + "\n\nclass Scale:\n    def to(self, where):\n        return where\n\n\nScale().to('cuda')\n"
    },
    "a transform of its own that makes squares": {
        "predictor/pad.py": "class Square:\n    def __call__(self, image):\n        return image\n",
        "predictor/transforms.py": (
            "from predictor.pad import Square\nfrom torchvision import transforms\n\n\ndef transform():\n"
            "    return transforms.Compose([Square(), transforms.Resize(8), transforms.ToTensor()])\n"
        ),
    },
    "arguments that cannot be seen": {
        "predictor/transforms.py": (
            "from torchvision import transforms\n\n\ndef transform(**more):\n"
            "    return transforms.Compose([transforms.ToTensor(), transforms.Resize((8, 8), **more)])\n"
        ),
        **OLD,
    },
    "json with an encoder": {
        "predictor/predictor.py": PREDICTOR.replace("output.tolist()", "json.dumps(output.numpy(), default=list)")
    },
    "a name of Pillow that is put back": {
        "predictor/transforms.py": (
            TRANSFORMS
            + "\nfrom PIL import Image\n\nsetattr(Image, 'ANTIALIAS', Image.LANCZOS)\nFILTER = Image.ANTIALIAS\n"
        )
    },
    "a data set beside the predictor": {
        "predictor/network.py": (
            "from PIL import Image\nfrom torch import nn\nfrom torch.utils.data import DataLoader, Dataset\n\n\n"
            "class Pages(Dataset):\n    def __getitem__(self, index):\n        return Image.open(index).cuda()\n\n\n"
            "def train():\n    return DataLoader(Pages(), num_workers=4)\n\n\n"
            "def build():\n    return nn.Linear(2, 1)\n"
        )
    },
    "a lambda that another library pickles": {
        "train.py": (
            "import dill\nimport torchvision.transforms as T\n\n"
            "dill.dump(T.Compose([T.Lambda(lambda x: x)]), open('a', 'wb'))\n"
        )
    },
}


@pytest.mark.parametrize("name", GOOD)
def test_good_code_is_left_alone(tmp_path: Path, name: str) -> None:
    assert findings(made(tmp_path, GOOD[name])) == []


def resizing(trained: str, steps: str) -> Files:
    """Give a project whose manifest says that training used another torchvision than the lock's 0.23."""
    manifest = {"format": 1, "files": {}, "trained_with": {**PINS, "torchvision": trained}}
    text = f"from torchvision import transforms as t\n\n\ndef transform():\n    return t.Compose([{steps}])\n"
    return {"predictor/transforms.py": text, "artifacts/manifest.json": json.dumps(manifest)}


@pytest.mark.parametrize(
    ("trained", "steps", "count"),
    [
        ("0.16.2", "t.ToTensor(), t.Resize((8, 8))", 1),
        ("0.16.2+cpu", "t.Resize((8, 8))", 1),
        ("0.16.2", "t.Resize((8, 8)), t.ToTensor()", 0),
        ("0.16.2", "t.ToTensor(), t.Resize((8, 8), antialias=False)", 0),
        ("0.17.0", "t.ToTensor(), t.Resize((8, 8))", 0),
    ],
)
def test_versions_on_two_sides_of_the_new_default_are_named(
    tmp_path: Path, trained: str, steps: str, count: int
) -> None:
    found = findings(made(tmp_path, resizing(trained, steps)), "ST410")
    assert len(found) == count
    assert all(trained.split("+")[0] in finding.message for finding in found)
    assert [edit.text for finding in found for edit in finding.edits] == [", antialias=False"] * count


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("from PIL import Image\nx = Image.ANTIALIAS\n", "from PIL import Image\nx = Image.Resampling.LANCZOS\n"),
        ("import PIL.Image\nx = PIL.Image.CUBIC\n", "import PIL.Image\nx = PIL.Image.Resampling.BICUBIC\n"),
        (
            "import torchvision.transforms as T\né = T.Scale(8)\n",
            "import torchvision.transforms as T\né = T.Resize(8)\n",
        ),
    ],
)
def test_a_name_that_is_gone_is_mended_in_its_place(tmp_path: Path, text: str, fixed: str) -> None:
    project = small_project(tmp_path, {"predictor.py": text, **locked("pillow==11.3.0", "torchvision==0.23.0")})
    (edit,) = (edit for finding in findings(project, "ST41") for edit in finding.edits)
    lines = text.splitlines(keepends=True)
    assert edit.line
    assert edit.column
    assert edit.end_column
    line = lines[edit.line - 1]
    lines[edit.line - 1] = line[: edit.column - 1] + edit.text + line[edit.end_column - 1 :]
    assert "".join(lines) == fixed


def test_what_training_did_is_written_after_the_last_argument(tmp_path: Path) -> None:
    text = "from torchvision import transforms as t\n\nx = t.Compose([t.ToTensor(), t.Resize(\n    8,\n)])\n"
    files = {**locked("torchvision==0.15.2", "torch==2.0.1"), "predictor.py": text}
    manifest = {"format": 1, "files": {}, "trained_with": {"torchvision": "0.17.0"}}
    unknown = small_project(tmp_path / "a", files)
    known = small_project(tmp_path / "b", {**files, "artifacts/manifest.json": json.dumps(manifest)})
    assert [finding.edits for finding in findings(unknown, "ST410")] == [()]
    ((edit,),) = (finding.edits for finding in findings(known, "ST410"))
    assert (edit.line, edit.column, edit.end_column, edit.text) == (4, 6, 6, ", antialias=True")


def test_training_and_serving_that_agree_are_left_alone(tmp_path: Path) -> None:
    files = {**OLD, **resizing("0.15.2", "t.ToTensor(), t.Resize((8, 8))")}
    assert findings(made(tmp_path, files), "ST410") == []


def test_cuda_is_an_error_only_where_it_is_certain_to_be_missing(tmp_path: Path) -> None:
    files = {"predictor.py": "import torch\n\nx = torch.zeros(1).cuda()\n"}
    (unsure,) = findings(small_project(tmp_path / "a", {**files, **locked("torch==2.8.0")}), "ST603")
    (certain,) = findings(small_project(tmp_path / "b", {**files, **locked("torch==2.8.0+cpu")}), "ST603")
    assert (unsure.severity, certain.severity) == (Severity.WARNING, Severity.ERROR)
    assert "2.8.0+cpu" in certain.cause


def test_a_helper_that_nothing_calls_is_not_judged(tmp_path: Path) -> None:
    text = (
        "import torch\n\nclass P:\n    def load(self, uri):\n        helped()\n\ndef {}():\n    torch.zeros(1).cuda()\n"
    )
    assert places(small_project(tmp_path / "a", {"predictor.py": text.format("helped")}), "ST603") != []
    assert places(small_project(tmp_path / "b", {"predictor.py": text.format("other")}), "ST603") == []
