"""What the tests of rules share: the rules of a module, the pairs of projects and the texts that show them."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from seatrial.rules.page import page
from seatrial.rules.rule import Rule
from tests.diagnosis.test_symptoms import STORED
from tests.projects.base import Twin

Judge = Callable[[Twin], None]


def rules_of(module: ModuleType) -> dict[str, Rule]:
    """Return the rules that stand in a module, by code."""
    return {rule.code: rule for rule in vars(module).values() if isinstance(rule, Rule)}


def twins_of(module: ModuleType) -> tuple[Twin, ...]:
    """Return the pairs of the rules in a module, from the module of pairs with its name."""
    twins: tuple[Twin, ...] = import_module(f"tests.projects.twins.{module.__name__.rpartition('.')[2]}").TWINS
    codes, rules = {twin.code for twin in twins}, rules_of(module)
    assert codes
    assert {code for code, rule in rules.items() if rule.check} <= codes <= rules.keys()
    return twins


def texts_of(module: ModuleType) -> list[str]:
    """Return the names of the stored texts of the rules in a module that the check does not decide."""
    codes = {code for code, rule in rules_of(module).items() if rule.symptoms and not rule.check}
    found = [name for name, stored in STORED.items() if stored.rule in codes]
    assert found
    return found


def seen_by_running(module: ModuleType) -> set[str]:
    """Return the codes of a module whose pages say that only running shows them."""
    shown = re.compile(r"Found (?:by the trial \(`seatrial smoke`\)|while deploying \(`seatrial deploy`\))")
    return {code for code, rule in rules_of(module).items() if not rule.symptoms and shown.search(page(rule))}
