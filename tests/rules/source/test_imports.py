"""Missing distributions, modules that do not ship, the predictor class, syntax errors: before any install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.small_project import findings, locked, places, small_project

if TYPE_CHECKING:
    from pathlib import Path

SPELLINGS = ["import {0}.b as c\n", "from {0} import b\n", "def call():\n    import {0}.b\ncall()\n"]
PLACES = ["predictor.py:1:8", "predictor.py:1:1", "predictor.py:2:12"]
CLASS = "class P:\n    pass\n"


@pytest.mark.parametrize(("spelling", "place"), list(zip(SPELLINGS, PLACES, strict=True)))
def test_an_import_that_no_requirement_provides_is_found_in_every_spelling(
    tmp_path: Path, spelling: str, place: str
) -> None:
    project = small_project(
        tmp_path, {"predictor.py": spelling.format("torchvision") + CLASS, **locked("torch==2.5.1")}
    )
    (found,) = findings(project, "ST110")
    assert str(found.location) == place
    assert found.message == "`torchvision` is imported, but no requirement provides it"
    assert "add the line `torchvision==0.20.1` to requirements.in" in found.fix


@pytest.mark.parametrize(("spelling", "place"), list(zip(SPELLINGS, PLACES, strict=True)))
def test_an_import_of_a_module_that_does_not_ship_is_found_in_every_spelling(
    tmp_path: Path, spelling: str, place: str
) -> None:
    project = small_project(tmp_path, {"predictor.py": spelling.format("extra") + CLASS, "extra/b.py": ""})
    (found,) = findings(project)
    assert (found.code, str(found.location)) == ("ST201", place)
    assert found.message.endswith("is imported, but the package does not contain it")
    assert "exists in the project, but `packages` does not name it" in found.cause


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_same_module_in_packages_is_no_finding(tmp_path: Path, spelling: str) -> None:
    files = {"predictor.py": spelling.format("extra") + CLASS, "extra/b.py": ""}
    assert findings(small_project(tmp_path, files, packages=["predictor", "extra"])) == []


def test_what_the_standard_library_the_lock_or_requirements_provide_is_no_finding(tmp_path: Path) -> None:
    text = "import json, xml.dom\nimport PIL.Image\nimport skimage\nimport yaml\nfrom google.cloud import storage\n"
    lock = locked("pillow==11.0.0", "scikit-image==0.25.0", "pyyaml==6.0", "google-cloud-storage==3.0.0")
    assert findings(small_project(tmp_path, {"predictor.py": text + CLASS, **lock})) == []


def test_a_member_of_a_shared_namespace_is_its_own_distribution(tmp_path: Path) -> None:
    text = "from google.cloud import storage, vision\n"
    project = small_project(tmp_path, {"predictor.py": text + CLASS, **locked("google-cloud-storage==3.0.0")})
    (found,) = findings(project, "ST110")
    assert found.message == "`google.cloud.vision` is imported, but no requirement provides it"


def test_an_optional_a_typing_and_an_unreachable_import_are_no_findings(tmp_path: Path) -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n"
        "try:\n    import turbojpeg\nexcept ImportError:\n    turbojpeg = None\n"
    )
    files = {"predictor/__init__.py": text + CLASS, "predictor/tool.py": "import matplotlib\n"}
    assert findings(small_project(tmp_path, files)) == []


def test_a_distribution_that_is_missed_twice_is_one_finding(tmp_path: Path) -> None:
    files = {"predictor/__init__.py": "import cv2\nfrom . import b\n" + CLASS, "predictor/b.py": "import cv2\n"}
    (found,) = findings(small_project(tmp_path, files))
    assert found.subject == "opencv-python-headless"
    assert found.evidence == ("imported at predictor/b.py:1:8 too",)


def test_beside_a_requirement_without_a_name_a_missing_distribution_is_only_a_warning(tmp_path: Path) -> None:
    files = {"predictor.py": "import ours\n" + CLASS, "requirements.in": "./wheels/ours.whl\n"}
    (found,) = findings(small_project(tmp_path, files), "ST110")
    assert found.severity == "warning"


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("class P:\n    def load(self, uri):\n        import cv2\n", "error"),
        ("class P:\n    def load(self, uri):\n        if uri:\n            import cv2\n", "warning"),
        ("class P:\n    def load(self, uri):\n        edges()\ndef edges():\n    import cv2\n", "warning"),
        ("class P:\n    def export(self):\n        import cv2\n", "warning"),
        ("import sys\nif sys.argv[1:]:\n    import cv2\n" + CLASS, "warning"),
    ],
)
def test_an_import_that_serving_may_never_execute_is_only_a_warning(tmp_path: Path, text: str, severity: str) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": text}), "ST110")
    assert found.severity == severity
    files = {"predictor.py": text.replace("cv2", "extra"), "extra.py": ""}
    (found,) = findings(small_project(tmp_path, files), "ST201")
    assert found.severity == severity


def test_an_import_in_a_function_that_serving_never_mentions_is_no_finding(tmp_path: Path) -> None:
    text = CLASS + "def to_onnx():\n    import onnx\n    import extra\n"
    assert findings(small_project(tmp_path, {"predictor.py": text, "extra.py": ""})) == []


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.in": "torchvision\n", "requirements.txt": "torchvision\n"},
        {"requirements.in": "torchvision==0.21.0\n", "requirements.txt": "torchvision==0.21.0\n"},
        {**locked("torchvision==0.21.0"), "requirements.in": "torchvision\nflask\n"},
    ],
)
def test_beside_a_lock_that_is_not_complete_a_missing_distribution_is_only_a_warning(
    tmp_path: Path, files: dict[str, str | bytes]
) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": "import PIL\n" + CLASS, **files}), "ST110")
    assert found.severity == "warning"
    assert "what the requirements bring along is not known" in found.cause


def test_a_submodule_or_name_that_the_package_does_not_have_is_found(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "import predictor.gone\nfrom predictor.model import Net, Nett\n" + CLASS,
        "predictor/model.py": "class Net: ...\n",
    }
    project = small_project(tmp_path, files)
    assert places(project, "ST201") == ["predictor/__init__.py:1:8", "predictor/__init__.py:2:1"]
    assert "does not exist in the package" in findings(project, "ST201")[0].message


def test_a_name_that_cannot_be_decided_is_no_finding(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "from predictor.a import X\nfrom predictor.b import Y, __version__\n" + CLASS,
        "predictor/a.py": "from json import *\n",
        "predictor/b.py": "def __getattr__(name): ...\n",
    }
    assert findings(small_project(tmp_path, files)) == []


def test_an_entry_of_packages_that_does_not_exist_is_found(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": CLASS}, packages=["predictor", "gone"])
    assert places(project, "ST201") == ["pyproject.toml"]


def test_a_class_that_the_predictor_module_does_not_have_is_found_with_the_near_one(tmp_path: Path) -> None:
    project = small_project(
        tmp_path, {"predictor.py": "class DigitPredictor: ...\n"}, predictor="predictor:DigitsPredictor"
    )
    (found,) = findings(project)
    assert (found.code, str(found.location)) == ("ST202", "predictor.py:1:7")
    assert found.message == "module `predictor` has no class `DigitsPredictor`; did you mean `DigitPredictor`?"


def test_a_predictor_module_that_does_not_exist_is_found(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor/__init__.py": ""}, predictor="predictor.serve:P")
    assert [f.message for f in findings(project)] == ["there is no module `predictor.serve` in the package"]


@pytest.mark.parametrize(("file", "found_at"), [("src/mine/__init__.py", "src/mine"), ("src/mine.py", "src/mine.py")])
def test_a_package_in_src_is_to_be_moved_to_the_root(tmp_path: Path, file: str, found_at: str) -> None:
    project = small_project(tmp_path, {file: CLASS}, predictor="mine:P")
    (found,) = findings(project)
    assert found.code == "ST202"
    assert found.cause == f'`predictor` is "mine:P", and there is {found_at}'
    assert found.fix == f"move {found_at} out of src/ to the project's root, beside pyproject.toml"


def test_a_second_package_in_src_is_to_be_moved_too(tmp_path: Path) -> None:
    files = {"predictor.py": CLASS, "src/nets/layer.py": ""}
    (found,) = findings(small_project(tmp_path, files, packages=["predictor", "nets"]))
    assert (found.code, found.fix) == (
        "ST201", "move src/nets out of src/ to the project's root, beside pyproject.toml",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["from .model import P\n", "from .model import *\n", "P = None\n"])
def test_a_class_that_is_exported_again_counts(tmp_path: Path, text: str) -> None:
    files = {"predictor/__init__.py": text, "predictor/model.py": CLASS}
    assert findings(small_project(tmp_path, files), "ST202") == []


def test_a_syntax_error_is_found_where_serving_reaches_it(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "from . import model\n" + CLASS,
        "predictor/model.py": "def load(:\n",
        "predictor/unused.py": "def load(:\n",
    }
    assert places(small_project(tmp_path, files), "ST203") == ["predictor/model.py:1:10"]
    newer = small_project(tmp_path, files, python="3.14")
    assert [f.severity for f in findings(newer, "ST203")] == ["warning"]


@pytest.mark.parametrize("text", ["x = " + "-" * 90_000 + "1\n", "x = " + "+".join(["1"] * 20_000) + "\n"])
def test_a_file_that_python_itself_cannot_hold_is_found_and_not_crashed_on(tmp_path: Path, text: str) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": text + CLASS}))
    assert (found.code, str(found.location)) == ("ST203", "predictor.py")
    assert found.message == "predictor.py is no valid Python: an expression or a block is nested too deeply"


def test_a_long_sum_and_a_long_chain_of_elif_are_read_to_their_end(tmp_path: Path) -> None:
    text = (
        "TEXT = " + " + ".join(['"a"'] * 2000) + "\n"
        "if TEXT == 0:\n    x = 0\n" + "".join(f"elif TEXT == {n}:\n    x = {n}\n" for n in range(1, 600)) + "else:\n"
        "    import extra\n"
    )
    compile(text, "predictor.py", "exec")  # Python takes it
    project = small_project(tmp_path, {"predictor.py": text + CLASS, "extra.py": ""})
    assert places(project, "ST201") == ["predictor.py:1203:12"]


def test_an_import_that_lacks_its_package_is_told_from_a_missing_distribution(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "from predictor.nets.deep import build\n" + CLASS,
        "predictor/nets/deep.py": "import blocks\nfrom layers import conv\n\ndef build(): ...\n",
        "predictor/nets/blocks.py": "",
        "predictor/layers.py": "conv = 1\n",
    }
    first, second = findings(small_project(tmp_path, files))
    assert (first.code, second.code) == ("ST201", "ST201")
    assert first.message == "`blocks` is imported, and only `predictor.nets.blocks` is in the package"
    assert second.fix == "write `from predictor import layers`, or `from predictor.layers import …`"


@pytest.mark.parametrize(
    "change",
    [
        "sys.path.insert(0, os.path.dirname(__file__))",
        "sys.path += [os.path.dirname(__file__)]",
        "sys.path.append(str(Path(__file__).parent))",
    ],
)
def test_where_the_code_changes_pythons_path_nothing_is_sure(tmp_path: Path, change: str) -> None:
    head = f"import os, sys\nfrom pathlib import Path\n{change}\n"
    files = {"predictor/__init__.py": f"{head}import blocks\nimport elsewhere\n{CLASS}", "predictor/blocks.py": ""}
    (found,) = findings(small_project(tmp_path, {**files, **locked("numpy==2.0.0")}))
    assert (found.code, found.severity, found.subject) == ("ST110", "warning", "elsewhere")
    assert "changes Python's path" in found.cause
