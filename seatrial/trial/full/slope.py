"""Whether a measured quantity rises with every request: a robust slope, beside the noise of the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

_NOISE = 6  # times the median deviation from the line: for normal noise that is 4 standard deviations
_STEADY = 0.35  # of the whole slope, that each half must have: what only settles has a flat second half

Point = tuple[int, float]  # how many requests were sent, and what was measured then


@dataclass(frozen=True, slots=True)
class Rise:
    """A rise that is no noise.

    Attributes:
        rate: what is added with each request.
        requests: over how many it was measured.
        total: what was added in all of them.
    """

    rate: float
    requests: int
    total: float


def rise(points: Sequence[Point], floor: float, *, doubles: bool = False) -> Rise | None:
    """Return the steady rise of a series; None if it rises by less than `floor` and its noise, or only in a part.

    With `doubles` it must also rise by what it was at first.

    The slope is Theil and Sen's: the median of the slopes between all pairs of points, which a few steps do not move.
    """
    if len(points) < 8:
        return None
    half = len(points) // 2
    rate, *halves = (_slope(part) for part in (points, points[: half + 1], points[half:]))
    requests = points[-1][0] - points[0][0]
    total = rate * requests
    level = median(value - rate * at for at, value in points)
    noise = median(abs(value - rate * at - level) for at, value in points)
    at_first = level + rate * points[0][0] if doubles else 0
    if total < max(floor, _NOISE * noise, at_first) or min(halves) < _STEADY * rate:
        return None
    return Rise(rate, requests, total)


def _slope(points: Sequence[Point]) -> float:
    return median((after - before) / (end - begin) for (begin, before), (end, after) in combinations(points, 2))
