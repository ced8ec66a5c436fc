"""Logs that show the newest line first, as Cloud Logging's explorer does."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'(?:^|\s)File "[^"]+", line \d+')
_STAMP = re.compile(r"^\W{0,2}(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*)")


def oldest_first(lines: list[str]) -> list[str]:
    """Return the lines in the order in which they were written, by their time stamps or by their tracebacks."""
    times = [found["time"] if (found := _STAMP.match(line)) else "" for line in lines]
    if sum(map(bool, times)) < 2 or not is_newest_first(lines, times):
        return lines
    # A line without a time belongs to the one above it.
    blocks: list[list[str]] = []
    for line, time in zip(lines, times, strict=True):
        if time or not blocks:
            blocks.append([])
        blocks[-1].append(line)
    return [line for block in reversed(blocks) for line in block]


def is_newest_first(lines: Sequence[str], times: Sequence[str]) -> bool:
    """Return whether lines, or the first lines of entries, stand in the reverse of their order."""
    stamped = [time for time in times if time]
    up = sum(first < second for first, second in pairwise(stamped))
    down = sum(first > second for first, second in pairwise(stamped))
    if up or down:
        return down > up
    # Equal times: the header of a traceback stands above its frames, or below them.
    headers = [at for at, line in enumerate(lines) if line.rstrip().endswith(_HEADER)]
    above = sum(_has_frame(lines, at + 1) for at in headers)
    below = sum(_has_frame(lines, at - 1) or _has_frame(lines, at - 2) for at in headers)
    return below > above


def _has_frame(lines: Sequence[str], at: int) -> bool:
    return 0 <= at < len(lines) and bool(_FRAME.search(lines[at]))
