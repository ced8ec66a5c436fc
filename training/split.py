"""Which scans train the model and which are held out: fixed, and known without loading the data set.

Standard library only, so that a test can check the committed golden images against it.
"""

from __future__ import annotations

import random

SCANS = 1797  # sklearn.datasets.load_digits: "1797 samples"
HELD_OUT = 360  # one in five


def held_out() -> tuple[int, ...]:
    """Return the indices of the scans that training never sees, ascending."""
    return tuple(sorted(random.Random(0).sample(range(SCANS), HELD_OUT)))  # noqa: S311 - not a secret


def trained_on() -> tuple[int, ...]:
    """Return the indices of all other scans, ascending."""
    return tuple(sorted(set(range(SCANS)) - set(held_out())))
