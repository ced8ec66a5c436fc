"""Paths as the source composes them, each in many spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.python.calls import Call
from seatrial.facts.python.module import Module
from seatrial.facts.python.paths import PathText
from seatrial.facts.python.syntax import read_module

HEAD = """\
import importlib.resources
import os
import os.path as osp
from importlib import resources
from pathlib import Path

import pkg
from pkg.places import DATA

ROOT = Path(__file__).resolve().parent
HERE = os.path.dirname(os.path.abspath(__file__))


class P:
    base = "data"

    def __init__(self, uri):
        self.root = ROOT / "data"
        self.uri = Path(uri)

    def load(self, name):
"""
OWN = "pkg.m.__file__"
HERE = (OWN, "..")


def calls_of(folder: Path, line: str) -> tuple[Call, ...]:
    file = folder / "m.py"
    file.write_text(f"{HEAD}        {line}\n")
    module = read_module(file, "pkg.m", "pkg/m.py")
    assert isinstance(module, Module)
    return module.uses.calls


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ('ROOT / "a.json"', (*HERE, "a.json")),
        ('Path(__file__).parent.joinpath("data", "a.json")', (*HERE, "data", "a.json")),
        ('Path(__file__).parents[1] / "a.json"', (*HERE, "..", "a.json")),
        ('Path(__file__).with_name("a.json")', (*HERE, "a.json")),
        ('osp.join(osp.dirname(osp.realpath(__file__)), "a.json")', (*HERE, "a.json")),
        ('os.path.join(HERE, "data", "a.json")', (*HERE, "data", "a.json")),
        ('HERE + "/a.json"', (*HERE, "a.json")),
        ('f"{HERE}/a.json"', (*HERE, "a.json")),
        ('str((ROOT / "a.json").resolve())', (*HERE, "a.json")),
        ('self.root / "a.json"', (*HERE, "data", "a.json")),
        ('DATA / "a.json"', ("pkg.places.DATA", "a.json")),
        ('resources.files("other") / "a.json"', ("other.__path__", "a.json")),
        ('importlib.resources.files(pkg).joinpath("a.json")', ("pkg.__path__", "a.json")),
        ('resources.files(__package__) / "a.json"', (*HERE, "a.json")),
        ('Path("data") / "a.json"', ("", "data", "a.json")),
        ('os.path.join("/srv", "a.json")', ("", "/srv", "a.json")),
        ('Path.home() / "a.json"', ("pathlib.Path.home()", "a.json")),
        ('Path(os.environ["X"]) / "a.json"', ("os.environ[]", "a.json")),
        ('self.uri / "a.json"', ("?", "a.json")),
        ('ROOT / name / "a.json"', (*HERE, "?", "a.json")),
        ('f"{HERE}/{name}.json"', (*HERE, "?")),
        ('os.path.join(HERE, *name)', (*HERE, "?")),
        ('Path(name) / "a" / ".." / "b"', ("?", "a", "..", "b")),
    ],
)  # fmt: skip
def test_every_spelling_of_a_path_is_read(tmp_path: Path, expression: str, path: tuple[str, ...]) -> None:
    call = next(call for call in calls_of(tmp_path, f"open({expression})") if call.name == "builtins.open")
    assert call.arguments[0].path == PathText(path[0], path[1:])


@pytest.mark.parametrize("line", ["(ROOT / 'a.json').read_text()", "ROOT.joinpath('a.json').open()"])
def test_a_method_of_a_path_knows_the_path(tmp_path: Path, line: str) -> None:
    (call,) = (call for call in calls_of(tmp_path, line) if call.on)
    assert call.on == PathText(OWN, ("..", "a.json"))


@pytest.mark.parametrize("expression", ["1 + 2", "name", "name % 3", "[*name] + [1]", "-name"])
def test_what_is_no_path_is_none_or_unknown(tmp_path: Path, expression: str) -> None:
    call = next(call for call in calls_of(tmp_path, f"open({expression})") if call.name == "builtins.open")
    found = call.arguments[0].path
    assert found is None or not found.is_known


def test_a_path_without_end_ends(tmp_path: Path) -> None:
    for expression in (f"ROOT{' / name' * 90}", f"Path(name){'.parent' * 90}"):
        assert "builtins.open" in {call.name for call in calls_of(tmp_path, f"open({expression})")}
