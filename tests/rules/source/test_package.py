"""Modules that do not ship, the predictor class, syntax errors: before any install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.rules.source import package
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, places, small_project

if TYPE_CHECKING:
    from pathlib import Path

SPELLINGS = ["import {0}.b as c\n", "from {0} import b\n", "def call():\n    import {0}.b\ncall()\n"]


PLACES = ["predictor.py:1:8", "predictor.py:1:1", "predictor.py:2:12"]


CLASS = "class P:\n    pass\n"


@pytest.mark.parametrize("twin", twins_of(package), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(("spelling", "place"), list(zip(SPELLINGS, PLACES, strict=True)))
def test_an_import_of_a_module_that_does_not_ship_is_found_in_every_spelling(
    tmp_path: Path, spelling: str, place: str
) -> None:
    project = small_project(tmp_path, {"predictor.py": spelling.format("extra") + CLASS, "extra/b.py": ""})
    (found,) = findings(project)
    assert (found.code, str(found.location)) == ("ST201", place)
    assert found.message.endswith("is imported, but the package does not contain it")
    assert "does not ship: `packages` does not name it" in found.cause


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_same_module_in_packages_is_no_finding(tmp_path: Path, spelling: str) -> None:
    files = {"predictor.py": spelling.format("extra") + CLASS, "extra/b.py": ""}
    assert findings(small_project(tmp_path, files, packages=["predictor", "extra"])) == []


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


@pytest.mark.parametrize("file", ["src/mine/__init__.py", "src/mine.py", "mine.py"])
def test_a_package_in_src_is_found_as_one_in_the_root_is(tmp_path: Path, file: str) -> None:
    assert findings(small_project(tmp_path, {file: CLASS}, predictor="mine:P")) == []


def test_src_is_a_folder_and_not_a_package(tmp_path: Path) -> None:
    files = {"src/mine/__init__.py": f"from mine.layer import *\n{CLASS}", "src/mine/layer.py": ""}
    (found,) = findings(small_project(tmp_path, files, predictor="src.mine:P"), "ST201")
    assert found.cause == "src/mine/layer.py ships as `src.mine.layer`, because `packages` names `src`"
    assert found.fix == "write `predictor` and `packages` in [tool.seatrial] without `src`, which is only a folder"


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
    assert found.message == "predictor.py is not valid Python: an expression or a block is nested too deeply"


def test_a_long_sum_and_a_long_chain_of_elif_are_read_to_their_end(tmp_path: Path) -> None:
    text = (
        "TEXT = " + " + ".join(['"a"'] * 2000) + "\n"
        "if TEXT == 0:\n    x = 0\n" + "".join(f"elif TEXT == {n}:\n    x = {n}\n" for n in range(1, 600)) + "else:\n"
        "    import extra\n"
    )
    compile(text, "predictor.py", "exec")  # Python takes it
    project = small_project(tmp_path, {"predictor.py": text + CLASS, "extra.py": ""})
    assert places(project, "ST201") == ["predictor.py:1203:12"]


@pytest.mark.parametrize(
    ("path", "meant"), [("digits/serve.py", "digits.serve:P"), ("src/digits/__init__.py", "digits:P")]
)
def test_a_wrong_module_is_told_where_the_class_is(tmp_path: Path, path: str, meant: str) -> None:
    (found,) = findings(small_project(tmp_path, {path: CLASS}, predictor="digit:P"), "ST202")
    assert found.message == f"there is no module `digit` in the package; did you mean `{meant}`?"
