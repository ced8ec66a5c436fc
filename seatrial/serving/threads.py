"""How many threads an instance gets that is predicted alone: all cores or one, whichever is quicker.

A small model is slower with more threads, because to hand a part of a layer to another core takes longer than the part.
On 2 cores, mobilenet_v3_small took 13 ms with one thread and 18 with two; resnet18 82 and 57 (torch 2.15). So both are
tried, and what was quicker stays. Two predictions with each are enough where one number is far quicker: each try of the
other one costs a client its time.
"""

from __future__ import annotations

from collections import deque
from statistics import median

_FEW, _TRIED = 2, 5  # predictions with each number, before they are compared; the first of them may be slow
_CLEAR = 1.2  # times, by which the quickest of few must differ to be believed
_REMEMBERED = 9  # predictions with each number
_AGAIN = 200  # predictions, after which the slower number is tried once more: other images may come


class LoneThreads:
    """The numbers of threads, and how long predictions took with each."""

    def __init__(self, cores: int) -> None:
        self._seconds: dict[int, deque[float]] = {count: deque(maxlen=_REMEMBERED) for count in (cores, 1)}
        self._chosen = 0

    def choose(self) -> int:
        """Return with how many threads to predict the next instance."""
        for tries in (_FEW, _TRIED):
            for count, seconds in self._seconds.items():
                if len(seconds) < tries:
                    return count
            if self._is_clear():
                break
        self._chosen += 1
        by_time = sorted(self._seconds, key=lambda count: _usual(self._seconds[count]))
        return by_time[-1 if self._chosen % _AGAIN == 0 else 0]

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
