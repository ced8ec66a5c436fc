"""Whether two answers are the same."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def difference(before: Any, now: Any, tolerance: float, where: str = "the answer") -> str:
    """Describe the first place where two JSON values differ; "" if they agree, numbers within `tolerance`."""
    if before == now:
        return ""
    if _is_number(before) and _is_number(now):
        return "" if _distance(before, now) <= tolerance else f"{where} is {_short(now)}, and was {_short(before)}"
    inner: Iterable[tuple[str, Any, Any]]
    if isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            return f"{where} has {len(now)} elements, and had {len(before)}"
        inner = ((f"{where}[{i}]", one, other) for i, (one, other) in enumerate(zip(before, now, strict=True)))
    elif isinstance(before, dict) and isinstance(now, dict):
        if before.keys() != now.keys():
            return f"{where} has the keys {sorted(now)}, and had {sorted(before)}"
        inner = ((f"{where}.{key}", before[key], now[key]) for key in before)
    else:
        return f"{where} is {_short(now)}, and was {_short(before)}"
    return next((text for path, one, other in inner if (text := difference(one, other, tolerance, path))), "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(one: float, other: float) -> float:
    try:
        return abs(one - other)
    except OverflowError:  # an integer that no float can hold
        return math.inf


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # more digits than Python prints
        text = "an integer of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."
