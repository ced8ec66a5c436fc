"""The tree of Python files: where a module is, and where a name is defined."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.python.tree import Tree
from tests.small_project import small_project


def test_a_definition_is_found_in_any_script_but_not_in_an_environment(tmp_path: Path) -> None:
    project = small_project(
        tmp_path,
        {
            "training/train.py": "x = 1\n\n\nclass Net:\n    class Inner: ...\n\n\nasync def step(): ...\n",
            "env/pyvenv.cfg": "",
            "env/lib/other.py": "class Other: ...\n",
        },
    )
    found = Tree(project.root).definitions(["Net", "step", "Other", "Inner"])
    assert {name: str(place) for name, place in found.items()} == {
        "Net": "training/train.py:4:7",
        "step": "training/train.py:8:11",
    }


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("one", "one.py"),
        ("a.b", "a/b.py"),
        ("a", "a"),
        ("c", "c/__init__.py"),
        ("d", None),
        ("a-b", None),
        ("build.x", None),
    ],
)
def test_a_module_is_located_by_its_dotted_name(tmp_path: Path, module: str, path: str | None) -> None:
    files = {"one.py": "", "a/b.py": "", "c/__init__.py": "", "build/x.py": "", "a-b.py": ""}
    assert Tree(small_project(tmp_path, files).root).locate(module) == path
