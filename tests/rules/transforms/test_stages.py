"""Stages: a difference fails a trial, and a recording that cannot be replayed only warns."""

from __future__ import annotations

import pytest

from seatrial.findings import Severity
from seatrial.rules.rule import Rule
from seatrial.rules.transforms import stages


@pytest.mark.parametrize("rule", [stages.OTHER_DECODING, stages.OTHER_TRANSFORM, stages.OTHER_OUTPUT])
def test_a_stage_that_differs_is_an_error_that_only_running_shows(rule: Rule) -> None:
    assert rule.finding("it differs").severity is Severity.ERROR
    assert rule.check is None


def test_what_was_recorded_and_cannot_be_replayed_is_a_warning() -> None:
    assert stages.NOT_REPLAYED.finding("it ended").severity is Severity.WARNING
