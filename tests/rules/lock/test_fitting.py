"""What fits: every rule is told of a text."""

from __future__ import annotations

import pytest

from seatrial.rules.lock import fitting
from tests.diagnosis.families.told import codes
from tests.projects.base import Twin
from tests.rules.judging import Judge, rules_of, twins_of


@pytest.mark.parametrize("twin", twins_of(fitting), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_every_rule_is_told_of_a_text_and_says_how_it_is_recognised() -> None:
    rules = rules_of(fitting)
    assert {code for code, rule in rules.items() if rule.recognised} == rules.keys()
    assert rules.keys() <= codes()
