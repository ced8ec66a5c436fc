"""How many threads an instance gets that is predicted alone: all cores or one, whichever is quicker.

A small model is slower with more threads, because to hand a part of a layer to another core takes longer than the part.
On 2 cores, mobilenet_v3_small took 13 ms with one thread and 18 with two; resnet18 82 and 57 (torch 2.15). So both are
tried in turns, and what was quicker stays. Two predictions with each are enough where one number is far quicker: each
try of the other one costs a client its time. But the first predictions of a process are slower for many reasons, so the
other number has another chance soon, and then ever more seldom.
"""

from __future__ import annotations

from collections import deque
from statistics import median

_FEW, _TRIED = 2, 5  # predictions with each number, before they are compared; the first of them may be slow
_CLEAR = 1.2  # times, by which the quickest of few must differ to be believed
_REMEMBERED = 9  # predictions with each number
# Predictions, after which the slower number is tried once more: a first time, and at most, as other images may come.
_SOON, _AGAIN = 8, 200


class LoneThreads:
    """The numbers of threads, and how long predictions took with each."""

    def __init__(self, cores: int) -> None:
        self._seconds: dict[int, deque[float]] = {count: deque(maxlen=_REMEMBERED) for count in (cores, 1)}
        self._pause = self._left = _SOON

    def choose(self) -> int:
        """Return with how many threads to predict the next instance."""
        for tries in (_FEW, _TRIED):
            fewest = min(self._seconds, key=lambda count: len(self._seconds[count]))
            if len(self._seconds[fewest]) < tries:
                return fewest
            if self._is_clear():
                break
        by_time = sorted(self._seconds, key=lambda count: _usual(self._seconds[count]))
        self._left -= 1
        if self._left:
            return by_time[0]
        self._pause = self._left = min(2 * self._pause, _AGAIN)
        return by_time[-1]

    def _is_clear(self) -> bool:
        """Return whether few predictions with each number tell already which is quicker."""
        least = [min(seconds) for seconds in self._seconds.values()]
        return max(least) >= _CLEAR * min(least)

    def note(self, count: int, seconds: float) -> None:
        """Remember how long a prediction took."""
        self._seconds[count].append(seconds)


def _usual(seconds: deque[float]) -> float:
    """Return the usual time; of few, the least."""
    return median(seconds) if len(seconds) >= _TRIED else min(seconds)
