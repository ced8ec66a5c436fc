"""Good code, as people write it, of which no rule finds anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.projects.base import PREDICTOR, TRANSFORMS, made
from tests.projects.code import OLD
from tests.projects.twins.removed_names import NEWEST
from tests.small_project import findings

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
