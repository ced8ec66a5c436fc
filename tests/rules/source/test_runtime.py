"""What is locked and shipped against what serves it: the runtime's range and the names that are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.packages import requirements
from seatrial.rules.lock.runtime import outside_runtime
from tests.small_project import PREDICTOR, findings, locked, places, small_project


def test_a_pin_that_the_runtime_cannot_work_with_is_found_in_the_check(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, locked("uvicorn==0.19.0")))
    assert (found.code, str(found.location)) == ("ST112", "requirements.txt:1:1")
    assert found.message == "the lock pins uvicorn==0.19.0, but the serving runtime needs uvicorn>=0.30"
    assert "ask for `uvicorn>=0.30` in requirements.in" in found.fix


@pytest.mark.parametrize("pin", ["uvicorn==0.30.0", "uvicorn==0.54.0", "click==8.0.0"])
def test_a_pin_in_the_range_of_the_runtime_is_no_finding(tmp_path: Path, pin: str) -> None:
    assert findings(small_project(tmp_path, locked(pin))) == []


def test_a_pin_of_both_locks_is_one_finding_and_one_of_the_cpu_lock_alone_is_found(tmp_path: Path) -> None:
    lock = locked("uvicorn==0.19.0")
    both = small_project(tmp_path, {**lock, "requirements-cpu.txt": lock["requirements.txt"]})
    assert places(both, "ST112") == ["requirements.txt:1:1"]
    alone = small_project(tmp_path, {**lock, **locked(), "requirements-cpu.txt": lock["requirements.txt"]})
    assert places(alone, "ST112") == ["requirements-cpu.txt:1:1"]


def test_a_pin_of_another_python_is_not_judged(tmp_path: Path) -> None:
    text = 'uvicorn==0.19.0 ; python_version < "3.9"\nuvicorn==0.40.0 ; python_version >= "3.9"\n'
    (tmp_path / "requirements.txt").write_text(text)
    lock = requirements.read(tmp_path / "requirements.txt", tmp_path)
    runtime_in = requirements.read_runtime("requirements.in")
    assert list(outside_runtime(lock, runtime_in, "3.11")) == []
    assert [f.code for f in outside_runtime(lock, runtime_in, "3.8")] == ["ST112"]


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("queue", "a module of Python's standard library"),
        ("click", "a package that the serving runtime brings"),
        ("uvicorn", "a package that the serving runtime brings"),
        ("h11", "a package that the serving runtime brings"),
        ("seatrial", "a package that the serving runtime brings"),
    ],
)
def test_a_package_whose_name_is_taken_is_told_to_be_renamed(tmp_path: Path, name: str, whose: str) -> None:
    project = small_project(tmp_path, {f"{name}/__init__.py": PREDICTOR}, predictor=f"{name}:P")
    (found,) = findings(project)
    assert (found.code, found.subject) == ("ST204", name)
    assert found.message == f"the package `{name}` has the name of {whose}"
    assert f"rename it, for example to `{name}_predictor`, and `predictor` in [tool.seatrial]" in found.fix


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
