"""How a split of traffic gives a version a share, and how it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping


def split_for(former: Mapping[str, int], new: str, percent: int) -> dict[str, int]:
    """Return a split in which `new` has a percentage, and the others the rest in the proportions they had.

    The values are whole and sum up to 100. Those of the others that have traffic keep at least 1 %, unless `new` gets
    all. What is at 0 is left out, as a missing entry means 0. If nothing else has traffic, `new` gets all.

    Raises:
        ValueError: the percentage is not in 1 to 100, or leaves less than 1 % for each of the others.
    """
    if not 1 <= percent <= 100:
        raise ValueError(f"a share of {percent} % is not in 1 to 100")
    others = {name: share for name, share in former.items() if share > 0 and name != new}
    if not others or percent == 100:
        return {new: 100}
    rest = 100 - percent
    if rest < len(others):
        raise ValueError(f"{rest} % cannot be split among {len(others)} deployed models")
    return {**_scaled(others, rest), new: percent}


def shown(split: Mapping[str, int]) -> str:
    """Return a split in words."""
    return ", ".join(f"{share} % {name}" for name, share in sorted(split.items())) or "empty"


def _scaled(others: Mapping[str, int], rest: int) -> dict[str, int]:
    """Scale shares to sum up to `rest`: 1 % for each, and what is left by largest remainder."""
    total = sum(others.values())
    exact = {name: share * rest / total for name, share in others.items()}
    scaled = {name: max(1, math.floor(value)) for name, value in exact.items()}
    while (missing := rest - sum(scaled.values())) != 0:
        # The share farthest below its exact value gains one; if 1 % each was too much, the farthest above loses one.
        step = 1 if missing > 0 else -1
        able = [name for name in scaled if step > 0 or scaled[name] > 1]
        name = max(able, key=lambda each: (step * (exact[each] - scaled[each]), each))
        scaled[name] += step
    return scaled
