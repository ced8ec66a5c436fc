from __future__ import annotations

import itertools

import pytest

from seatrial.deploy.split import split_for


def _splits(names: str) -> list[dict[str, int]]:
    """Return many splits of 100 over the names: in steps, and with the corners where shares are 0 or 1."""
    values = (0, 1, 2, 3, 17, 33, 34, 50, 66, 97, 98, 99, 100)
    return [
        dict(zip(names, shares, strict=True))
        for shares in itertools.product(values, repeat=len(names))
        if sum(shares) == 100
    ]


@pytest.mark.parametrize("names", ["a", "ab", "abc", "abcd", "na", "nab"])
def test_a_split_is_whole_sums_up_to_100_and_leaves_nobody_out(names: str) -> None:
    for former, percent in itertools.product(_splits(names), range(1, 101)):
        others = {name: share for name, share in former.items() if share and name != "n"}
        if others and percent != 100 and 100 - percent < len(others):
            continue
        split = split_for(former, "n", percent)
        assert sum(split.values()) == 100, (former, percent)
        assert all(isinstance(share, int) and share > 0 for share in split.values())
        assert set(split) == ({"n"} if percent == 100 or not others else {"n", *others})
        assert split["n"] == (percent if others else 100)


@pytest.mark.parametrize("names", ["ab", "abc", "abcd"])
def test_others_keep_their_proportions_within_one_percent(names: str) -> None:
    for former, percent in itertools.product(_splits(names), range(1, 90)):
        others = {name: share for name, share in former.items() if share}
        if min(others.values()) * (100 - percent) / 100 < 1:
            continue
        split = split_for(former, "n", percent)
        for name, share in others.items():
            assert abs(split[name] - share * (100 - percent) / 100) < 1, (former, percent, split)


@pytest.mark.parametrize("names", ["abc", "abcd"])
def test_who_had_more_never_gets_less(names: str) -> None:
    for former, percent in itertools.product(_splits(names), range(1, 97)):
        split = split_for(former, "n", percent)
        for one, other in itertools.permutations(set(split) - {"n"}, 2):
            assert former[one] <= former[other] or split[one] >= split[other], (former, percent, split)


def test_a_share_that_leaves_others_nothing_or_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        split_for({"a": 50, "b": 50}, "n", 99)
    for percent in (0, -1, 101):
        with pytest.raises(ValueError, match="not in 1 to 100"):
            split_for({"a": 100}, "n", percent)
