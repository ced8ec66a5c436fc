"""Statistics of a rollout: what numbers of answers, errors and seconds say about two versions asked in turn.

Pure functions of counts. If the numbers do not decide a question, neither do they.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Of a 95th percentile over 50 answers three may be chance: one pause of a scheduler or collector or one lost packet.
# Where answers take milliseconds these outweigh any ratio, and nobody who waits for an answer notices them.
SLACK = 0.050  # seconds
# Twice the logarithm of a likelihood ratio: chance exceeds 12 in fewer than 3 of 10,000 looks (chi-squared, one degree
# of freedom, one side), and it is looked at after every reply.
_CONVINCING = 12.0
FEWEST = 8  # errors before anybody is blamed: a moment's outage is a few of them in a row, and not independent

Blame = Literal["nobody", "new", "former", "unclear"]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, from sending to the last byte, in seconds; zeros if there are none."""

    answers: int = 0
    p50: float = 0.0
    p95: float = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Summarise the answers of one side."""
        if not seconds:
            return cls()
        return cls(len(seconds), percentile(seconds, 50), percentile(seconds, 95))


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest of the values that so many percent of them do not exceed (the nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def too_slow(new: Latency, former: Latency, max_ratio: float) -> bool:
    """Return whether the 95th percentile is above `max_ratio` times the former one and a slack for chance."""
    return bool(new.answers and former.answers) and new.p95 > former.p95 * max_ratio + SLACK


def blame(*, new: int, former: int, errors: int, share: float, max_error_rate: float) -> Blame:
    """Return whose errors they are, from the numbers of answers and of errors, and the new version's share of requests.

    An error does not say which version it comes from, but the split says how many requests each got: errors are
    missing answers, and the version whose answers are missing is the one that failed. So the numbers of answers and
    errors follow a multinomial law with the two versions' error rates as its unknowns. A version is blamed when they
    are far likelier with the rates that fit best, its own the higher, than with one rate for both. What strikes both
    alike, such as a network that fails, thus blames neither; nor does what the other did before the rollout or began
    to do during it, as both are asked in turn. That is why no error rate from before is taken for comparison.
    """
    if errors <= max_error_rate * (new + former + errors):
        return "nobody"
    if errors < FEWEST:
        return "unclear"
    if _evidence(new, former, errors, share) > _CONVINCING:
        return "new"
    if _evidence(former, new, errors, 1 - share) > _CONVINCING:
        return "former"
    return "unclear"


def _evidence(own: int, others: int, errors: int, share: float) -> float:
    """Return twice the logarithm of how much likelier the counts are when a version fails more than the other one does.

    `share` is that of the version; both shares are above 0, otherwise there is nothing to compare.
    """
    total = own + others + errors
    if not 0 < share < 1 or not total:
        return 0.0
    own_rate, other_rate = 1 - own / (total * share), 1 - others / (total * (1 - share))
    if other_rate < 0:  # more answers of the other than were its due: the best fit has no errors of it
        own_rate, other_rate = errors / (own + errors), 0.0
    if own_rate <= other_rate:
        return 0.0

    def likelihood(own_rate: float, other_rate: float) -> float:
        failing = share * own_rate + (1 - share) * other_rate
        return _weighted(own, 1 - own_rate) + _weighted(others, 1 - other_rate) + _weighted(errors, failing)

    same = errors / total
    return 2 * (likelihood(own_rate, other_rate) - likelihood(same, same))


def _weighted(count: int, probability: float) -> float:
    """Return the logarithm of `probability` to the power of `count`; a count of 0 needs no probability."""
    return count * math.log(probability) if count else 0.0
