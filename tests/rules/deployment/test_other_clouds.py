"""Other clouds: each rule is told of a log."""

from __future__ import annotations

from seatrial.rules.deployment import other_clouds
from tests.diagnosis.families.lines import codes
from tests.rules.judging import rules_of


def test_each_rule_is_told_of_a_log() -> None:
    assert rules_of(other_clouds).keys() <= codes()
