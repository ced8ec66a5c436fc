"""Names in the weights: the pairs of projects."""

from __future__ import annotations

import pytest

from seatrial.rules.artifacts import state_dicts
from tests.projects.base import Twin
from tests.rules.judging import Judge, seen_by_running, twins_of


@pytest.mark.parametrize("twin", twins_of(state_dicts), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_what_only_loading_shows_says_so() -> None:
    assert seen_by_running(state_dicts) == {"ST321"}
