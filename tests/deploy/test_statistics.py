from __future__ import annotations

import pytest

from seatrial.deploy.statistics import Latency, blame, percentile, too_slow


@pytest.mark.parametrize(
    ("counts", "share", "whose"),
    [
        ((100, 100, 0), 0.5, "nobody"),
        ((100, 100, 2), 0.5, "nobody"),  # within the rate allowed
        ((0, 100, 100), 0.5, "new"),
        ((100, 0, 100), 0.5, "former"),
        ((50, 100, 50), 0.5, "new"),
        ((100, 50, 50), 0.5, "former"),
        ((80, 80, 40), 0.5, "unclear"),  # both alike: what lies between us and them
        ((0, 0, 200), 0.5, "unclear"),
        ((0, 180, 20), 0.1, "new"),
        ((20, 20, 160), 0.1, "former"),
        ((3, 0, 4), 0.5, "unclear"),  # a moment's outage
        ((18, 162, 20), 0.1, "unclear"),
        ((150, 0, 50), 1.0, "unclear"),
    ],
)
def test_whose_answers_are_missing_is_who_failed(counts: tuple[int, int, int], share: float, whose: str) -> None:
    new, former, errors = counts
    assert blame(new=new, former=former, errors=errors, share=share, max_error_rate=0.01) == whose


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([5.0, 1.0, 4.0, 2.0, 3.0], p) for p in (50, 95, 100)] == [3.0, 5.0, 5.0]
    assert percentile([float(n) for n in range(1, 101)], 95) == 95.0
    assert percentile([7.0], 50) == 7.0


@pytest.mark.parametrize(
    ("new", "former", "slower"),
    [(0.150, 0.100, False), (0.199, 0.100, False), (0.201, 0.100, True), (0.040, 0.002, False), (0.060, 0.002, True)],
)
def test_slower_is_more_than_the_ratio_and_what_chance_adds(new: float, former: float, slower: bool) -> None:
    assert too_slow(Latency(50, new, new), Latency(50, former, former), 1.5) is slower
    assert not too_slow(Latency(50, new, new), Latency(), 1.5)
