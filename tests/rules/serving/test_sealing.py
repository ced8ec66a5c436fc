"""The seal: only running shows these faults."""

from __future__ import annotations

from seatrial.rules.serving import sealing
from tests.rules.judging import seen_by_running


def test_the_pages_say_that_only_the_trial_shows_them() -> None:
    assert seen_by_running(sealing) == {"ST530", "ST531", "ST532"}
