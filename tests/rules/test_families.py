"""One folder a family: which rules stand where, and that each module has its test."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import seatrial.rules
from seatrial.rules import RULES
from seatrial.rules.rule import Rule
from tests.rules.judging import rules_of

FAMILIES = ("lock", "source", "artifacts", "transforms", "serving", "devices", "deployment", "supply")
FOLDER = Path(seatrial.rules.__file__).parent
MODULES = sorted(f"{file.parent.name}.{file.stem}" for file in FOLDER.glob("*/*.py") if file.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_holds_rules_of_its_folders_family_only_and_has_its_test(name: str) -> None:
    family, _, module = name.partition(".")
    codes = rules_of(import_module(f"seatrial.rules.{name}")).keys()
    assert {code[:3] for code in codes} <= {f"ST{FAMILIES.index(family) + 1}"}
    assert (Path(__file__).parent / family / f"test_{module}.py").is_file()


def test_every_rule_stands_in_one_module() -> None:
    codes = [code for name in MODULES for code in rules_of(import_module(f"seatrial.rules.{name}"))]
    assert sorted(codes) == list(RULES)


def test_a_code_that_is_used_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    again = ModuleType("again")
    vars(again)["SAME"] = Rule("ST120", "the same", "The same.", "choose another code")
    monkeypatch.setitem(sys.modules, "again", again)
    monkeypatch.setattr(seatrial.rules, "_modules", lambda: iter(("seatrial.rules.lock.pairs", "again")))
    with pytest.raises(ValueError, match="again uses the code ST120 a second time"):
        seatrial.rules._found()
