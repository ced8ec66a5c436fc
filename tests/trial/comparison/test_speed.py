"""Speed: medians with their noise, and a difference that the noise explains is told as such."""

from __future__ import annotations

import pytest

from seatrial.trial.comparison.speed import Speed, judged


def test_a_median_is_told_with_the_least_and_the_largest_run() -> None:
    assert Speed([3.0, 1.0, 2.0]).words(" s") == "2 s (1 to 3)"
    assert Speed([3.0]).words(" s") == "3 s"


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ([10.0, 11.0, 12.0], [8.0, 8.0, 9.0], "-27%"),
        ([10.0, 11.0, 12.0], [9.0, 9.9, 10.1], "-10%, within the noise"),
        ([10.0], [20.0], "+100%, one run"),
        ([], [], ""),
    ],
)
def test_medians_differ_only_where_no_run_of_one_side_lies_among_the_others(
    before: list[float], now: list[float], words: str
) -> None:
    assert judged(Speed(before), Speed(now)) == words
