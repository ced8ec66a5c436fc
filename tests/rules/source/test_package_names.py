"""Names of packages that are taken where they are served."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.source import package_names
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import PREDICTOR, findings, small_project


@pytest.mark.parametrize("twin", twins_of(package_names), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("queue", "a module of Python's standard library"),
        ("click", "a package of the serving runtime"),
        ("uvicorn", "a package of the serving runtime"),
        ("h11", "a package of the serving runtime"),
        ("seatrial", "a package of the serving runtime"),
    ],
)
def test_a_package_whose_name_is_taken_is_told_to_be_renamed(tmp_path: Path, name: str, whose: str) -> None:
    project = small_project(tmp_path, {f"{name}/__init__.py": PREDICTOR}, predictor=f"{name}:P")
    (found,) = findings(project)
    assert (found.code, found.subject) == ("ST204", name)
    assert found.message == f"the package `{name}` has the name of {whose}"
    assert f"rename it, for example to `{name}_predictor`, and change `predictor` in [tool.seatrial]" in found.fix


def test_a_single_module_beside_the_predictor_may_not_take_a_name_either(tmp_path: Path) -> None:
    files = {"predictor.py": PREDICTOR, "types.py": ""}
    (found,) = findings(small_project(tmp_path, files, packages=["predictor", "types"]))
    assert (found.code, found.subject) == ("ST204", "types")
    assert "`packages` in [tool.seatrial]" in found.fix


@pytest.mark.parametrize(
    ("name", "python", "taken"),
    [
        ("typing_extensions", "3.10", True),
        ("typing_extensions", "3.11", False),
        ("imp", "3.11", True),
        ("imp", "3.12", False),
        ("chunk", "3.12", True),
        ("chunk", "3.13", False),
    ],
)
def test_a_name_is_taken_only_where_the_served_python_has_it(
    tmp_path: Path, name: str, python: str, taken: bool
) -> None:
    project = small_project(tmp_path, {f"{name}.py": PREDICTOR}, predictor=f"{name}:P", python=python)
    assert [f.code for f in findings(project)] == (["ST204"] if taken else [])


def test_a_module_inside_a_package_may_have_any_name(tmp_path: Path) -> None:
    files = {"predictor/__init__.py": "from predictor import queue\n" + PREDICTOR, "predictor/queue.py": ""}
    assert findings(small_project(tmp_path, files)) == []
