"""Whether two answers are the same."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.trial.full.equal import difference


@pytest.mark.parametrize(
    ("before", "now", "where"),
    [
        ({"scores": [0.1, 0.9]}, {"scores": [0.1, 0.9000001]}, ""),
        ({"scores": [0.1, 0.9]}, {"scores": [0.1, 0.8]}, "the answer.scores[1] is 0.8, and was 0.9"),
        ({"label": "7"}, {"label": 7}, "the answer.label is 7, and was '7'"),
        ([1, 2], [1], "the answer has 1 elements, and had 2"),
        ({"label": "7"}, {"class": "7"}, "the answer has the keys ['class'], and had ['label']"),
        (10**400, 0.5, "the answer is 0.5, and was 1000000000000"),
        (True, 1.5, "the answer is 1.5, and was True"),
    ],
)
def test_the_first_difference_is_named(before: Any, now: Any, where: str) -> None:
    found = difference(before, now, 1e-5)
    assert found.startswith(where)
    assert bool(found) == bool(where)
