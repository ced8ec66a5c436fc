"""What stands on a rule: its functions, and which rules say more."""

from __future__ import annotations

import pytest

from seatrial.findings import Severity
from seatrial.rules import RULES, nearest
from seatrial.rules.lock import pairs, wheels
from seatrial.rules.rule import Rule


def test_a_rule_is_decided_by_one_check() -> None:
    with pytest.raises(ValueError, match="ST120 has two functions for `check`"):
        pairs.MISMATCHED.decided_by(lambda _: iter(()))


def test_a_finding_has_the_fix_and_the_severity_of_its_rule_unless_it_says_other() -> None:
    found = wheels.OTHER_FILES.finding("x")
    assert (found.fix, found.severity) == (wheels.OTHER_FILES.fix, Severity.WARNING)
    assert wheels.OTHER_FILES.finding("x", severity=Severity.ERROR, fix="y").fix == "y"


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.yields_to or rule.yields_module_to], ids=lambda rule: rule.code
)
def test_a_rule_yields_to_others_that_a_text_shows_and_that_do_not_yield_to_it(rule: Rule) -> None:
    for other in (*rule.yields_to, *rule.yields_module_to):
        assert other.symptoms
        assert rule not in other.yields_to


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.confirm or rule.refine or rule.telling], ids=lambda rule: rule.code
)
def test_what_completes_a_text_stands_on_rules_that_a_text_shows(rule: Rule) -> None:
    assert rule.symptoms or rule.recognised


def test_a_code_is_only_likened_to_codes_of_its_family() -> None:
    assert nearest("ST999") == ""
    assert nearest("ST1011") == "; did you mean `ST101`?"
