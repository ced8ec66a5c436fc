"""Native code: each rule is told of a log."""

from __future__ import annotations

from seatrial.rules.lock import native
from tests.diagnosis.families.lines import codes
from tests.rules.judging import rules_of


def test_each_rule_is_told_of_a_log() -> None:
    assert rules_of(native).keys() <= codes()
