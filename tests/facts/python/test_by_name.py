"""Calls and reads, found by name: what is found, and in which order."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from seatrial.facts.python.by_name import ByName
from seatrial.facts.python.calls import Call
from seatrial.facts.python.module import Module
from seatrial.facts.python.places import parts
from seatrial.facts.python.syntax import read_module

SOURCE = """import os
import torch

torch.load("a")
os.getenv("A")
model = torch.load("b").eval()
torch.save(model, "c")
"""


def calls(folder: Path) -> ByName[Call]:
    (folder / "predictor.py").write_text(SOURCE)
    module = read_module(folder / "predictor.py", "predictor", "predictor.py")
    assert isinstance(module, Module)
    return ByName([(module, call) for call in module.uses.calls])


def lines(found: list[tuple[Module, Call]]) -> list[tuple[str, int | None]]:
    return [(call.name, call.location.line) for _, call in found]


def test_names_are_found_in_the_order_of_lines_whatever_order_they_are_asked_in(tmp_path: Path) -> None:
    found = calls(tmp_path).of("torch.save", "torch.load", "torch.load", "torch.nothing")
    assert lines(found) == [("torch.load", 4), ("torch.load", 6), ("torch.save", 7)]


def test_methods_and_tests_go_by_the_same_names(tmp_path: Path) -> None:
    places = calls(tmp_path)
    assert lines(places.of_methods("eval", "getenv")) == [("os.getenv", 5), ("torch.load().eval", 6)]
    asked: list[str] = []
    places.where(asked.append)
    assert sorted(asked) == ["os.getenv", "torch.load", "torch.load().eval", "torch.save"]
    assert len(places) == len(list(places)) == 5


def test_the_parts_of_a_node_are_those_of_ast_without_operators() -> None:
    for file in (ast.__file__, sys.modules["dataclasses"].__file__, sys.modules["typing"].__file__):
        for node in ast.walk(ast.parse(Path(file or "").read_bytes())):
            operators = (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop, ast.alias)
            assert parts(node) == [part for part in ast.iter_child_nodes(node) if not isinstance(part, operators)]
