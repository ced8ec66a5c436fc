"""Formats: every rule is told of a text."""

from __future__ import annotations

from seatrial.rules.artifacts import formats
from tests.diagnosis.families.told import codes
from tests.rules.judging import rules_of


def test_every_rule_is_told_of_a_text_and_says_how_it_is_recognised() -> None:
    rules = rules_of(formats)
    assert {code for code, rule in rules.items() if rule.recognised} == rules.keys()
    assert rules.keys() <= codes()
