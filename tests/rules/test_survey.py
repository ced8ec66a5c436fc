"""Ways of writing that a survey of public projects showed, and that rules took for faults that they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

LOADS = "        self.model.load_state_dict(torch.load(uri, map_location='cpu', weights_only=True))\n"
TORCH = locked("torch==2.8.0", "torchvision==0.23.0", "pillow==11.3.0", "transformers==4.56.0")
CLASS = "class P:\n    pass\n"
ZOO = """\
import torch.utils.model_zoo as zoo

def narrow(pretrained=False):
    model = object()
    if pretrained:
        model.load_state_dict(zoo.load_url("https://example.com/narrow.pth"))
    return model
"""


@pytest.mark.parametrize(
    ("argument", "found"),
    [("", False), ("pretrained=False", False), ("pretrained=True", True)],
)
def test_a_download_that_a_parameter_guards_is_found_where_the_parameter_is_true(
    tmp_path: Path, argument: str, *, found: bool
) -> None:
    text = f"import zoo\nclass P:\n    def load(self, uri):\n        self.model = zoo.narrow({argument}).eval()\n"
    project = small_project(tmp_path, {"predictor.py": text, "zoo.py": ZOO, **TORCH}, packages=["predictor", "zoo"])
    assert bool(findings(project, "ST520")) == found


def test_a_data_set_that_is_never_asked_to_download_is_no_finding(tmp_path: Path) -> None:
    text = (
        "from torchvision.datasets.utils import download_url\n"
        "class Digits:\n    def __init__(self, root, download=False):\n"
        "        if download:\n            download_url('https://example.com/digits.zip', root)\n"
        "class P:\n    def load(self, uri):\n        self.names = Digits(uri{}).names\n"
    )
    for argument, number in (("", 0), (", download=True", 1)):
        project = small_project(tmp_path, {"predictor.py": text.format(argument), **TORCH})
        assert len(findings(project, "ST520")) == number


@pytest.mark.parametrize(
    ("loader", "name", "found"),
    [
        ("from transformers import AutoModel as M", "gpt2", True),
        ("from transformers import AutoModel as M", "model.pt", False),
        ("from own import M", "model", False),
        ("from own import M", "someone/model", True),
    ],
)
def test_from_pretrained_downloads_where_its_argument_names_a_model_of_a_hub(
    tmp_path: Path, loader: str, name: str, *, found: bool
) -> None:
    text = f"{loader}\nclass P:\n    def load(self, uri):\n        self.model = M.from_pretrained({name!r})\n"
    project = small_project(tmp_path, {"predictor.py": text, **TORCH})
    assert bool(findings(project, "ST520")) == found


@pytest.mark.parametrize(("method", "found"), [("preprocess", False), ("inference", True), ("predict", True)])
def test_a_class_whose_foreign_base_calls_the_model_need_not_turn_gradients_off(
    tmp_path: Path, method: str, *, found: bool
) -> None:
    text = (
        f"import torch\nfrom foreign import Base\nclass P(Base):\n    def load(self, uri):\n{LOADS}"
        f"        self.model.eval()\n    def {method}(self, batch):\n        return self.model(batch)\n"
    )
    assert bool(findings(small_project(tmp_path, {"predictor.py": text, **TORCH}), "ST523")) == found


@pytest.mark.parametrize(
    ("files", "severity"),
    [({}, "note"), ({"Dockerfile": 'FROM python:3.11-slim\nCMD ["python", "predictor.py"]\n'}, "warning")],
)
def test_a_server_that_is_started_by_hand_is_only_noted_where_no_container_is_built(
    tmp_path: Path, files: dict[str, str], severity: str
) -> None:
    text = f"import flask\n{CLASS}app = flask.Flask('a')\nif __name__ == '__main__':\n    app.run()\n"
    project = small_project(tmp_path, {"predictor.py": text, **files, **locked("flask==3.1.2")})
    assert [finding.severity for finding in findings(project, "ST526")] == [severity]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("--upgrade --pre pip", False),
        ("--pre torch", True),
        ("--pre pip torch", True),
        ("--pre -r requirements.txt", True),
    ],
)
def test_an_installer_may_be_a_prerelease(tmp_path: Path, command: str, *, found: bool) -> None:
    files = {"Dockerfile": f"FROM python:3.11-slim\nRUN pip install {command}\n"}
    assert bool(findings(small_project(tmp_path, files), "ST808")) == found


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("demo.py", "import cv2\nimage = cv2.imread('a.png')\ncv2.imwrite('b.png', image)\n", False),
        ("fit.py", "import cv2\nimage = cv2.imread('a.png')\nloss(image).backward()\n", True),
        ("tools/dataset.py", "import cv2\ndef read(path):\n    return cv2.imread(path)\n", True),
    ],
)
def test_a_script_that_reads_with_opencv_counts_only_where_it_looks_like_training(
    tmp_path: Path, path: str, text: str, *, found: bool
) -> None:
    project = small_project(tmp_path, {"predictor.py": "import PIL.Image\n" + CLASS, path: text, **TORCH})
    assert bool(findings(project, "ST416")) == found


@pytest.mark.parametrize(
    ("version", "text", "found"),
    [
        ("1.23.5", "import numpy as np\nKIND = np.float\n", False),
        ("1.26.4", "import numpy as np\nKIND = np.float\n", True),
        ("1.26.4", "import numpy as np\nKIND = np.bool\n", True),
        ("2.2.6", "import numpy as np\nKIND = np.bool\n", False),
        ("1.26.4", "import numpy as np\nKIND = np.float_\n", False),
        ("2.2.6", "import numpy as np\nnp.float = float\nKIND = np.float\n", False),
        ("2.2.6", "import numpy as np\nKIND = np.float if hasattr(np, 'float') else float\n", False),
        ("2.2.6", "try:\n    from numpy import Inf\nexcept ImportError:\n    from numpy import inf as Inf\n", False),
    ],
)
def test_a_name_of_numpy_is_found_where_the_locked_version_lacks_it(
    tmp_path: Path, version: str, text: str, *, found: bool
) -> None:
    project = small_project(tmp_path, {"predictor.py": text + CLASS, **locked(f"numpy=={version}")})
    assert bool(findings(project, "ST421")) == found


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("import back\n" + CLASS, "error"),
        ("import sys\nif sys.argv[1:]:\n    import back\n" + CLASS, "warning"),
        ("try:\n    import back\nexcept ImportError:\n    back = None\n" + CLASS, "warning"),
        ("class P:\n    def load(self, uri):\n        if uri:\n            import back\n", "warning"),
    ],
)
def test_what_a_module_imports_is_as_sure_as_the_module_itself(tmp_path: Path, text: str, severity: str) -> None:
    files = {"predictor.py": text, "back.py": "import tensorflow\n"}
    (found,) = findings(small_project(tmp_path, files, packages=["predictor", "back"]), "ST110")
    assert found.severity == severity


def test_a_file_wins_over_a_folder_of_its_name_that_is_no_package(tmp_path: Path) -> None:
    files = {"predictor.py": "import data\n" + CLASS, "data.py": "", "data/photos/a.png": ""}
    project = small_project(tmp_path, files, packages=["predictor", "data"])
    assert findings(project, "ST201") == []


def test_a_module_that_imports_its_own_name_means_a_distribution(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "from predictor.docker import P\n",
        "predictor/docker.py": "import docker\n" + CLASS,
    }
    project = small_project(tmp_path, files)
    assert findings(project, "ST201") == []
    (found,) = findings(project, "ST110")
    assert "add the line" not in found.fix  # `docker` may be anyone's


@pytest.mark.parametrize(
    ("text", "predictor", "severity"),
    [
        ("class P:\n    pass\n", "predictor:P", "error"),
        ("import flask\napp = flask.Flask(__name__)\n", "predictor:app", "warning"),
        (
            "from cog import BasePredictor\nclass P(BasePredictor):\n    def predict(self): ...\n",
            "predictor:P",
            "warning",
        ),
    ],
)
@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("ST210", "open(os.path.join(os.path.dirname(__file__), 'labels.json'))"),
        ("ST211", "open('labels.json')"),
        ("ST212", "open('/home/model-server/labels.json')"),
    ],
)
def test_where_another_server_is_started_is_not_known(
    tmp_path: Path, text: str, predictor: str, severity: str, code: str, read: str
) -> None:
    files = {"predictor.py": f"import os\n{text}LABELS = {read}\n", "labels.json": "[]"}
    (found,) = findings(small_project(tmp_path, files, predictor=predictor), code)
    assert found.severity == severity


OPENCV = "import cv2\nfrom PIL import Image\nimport torchvision.transforms as T\n"
NORMALIZE = "    normalize = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])\n"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return self.normalize(cv2.imread(x))", True),
        ("return self.normalize(Image.open(x)), cv2.imread(x)", False),
        ("return cv2.putText(cv2.imread('static/blank.png'), str(self.normalize(x)))", False),
    ],
)
def test_an_image_of_opencv_counts_only_if_it_may_be_what_is_normalized(
    tmp_path: Path, body: str, *, found: bool
) -> None:
    text = f"{OPENCV}class P:\n{NORMALIZE}    def predict(self, x):\n        {body}\n"
    assert bool(findings(small_project(tmp_path, {"predictor.py": text}), "ST434")) == found


def test_a_compiler_that_is_started_at_once_is_told_so(tmp_path: Path) -> None:
    text = "from torch.utils.cpp_extension import load\nfused = load('fused', sources=['fused.cpp'])\n" + CLASS
    (found,) = findings(small_project(tmp_path, {"predictor.py": text, **TORCH}), "ST640")
    assert "torch.compile" not in f"{found.cause} {found.fix}"
