"""How fast each side is: medians of runs that alternate, with the noise between them. It never decides a verdict."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.trial.server import Server

ASKED_FOR = 1.5  # seconds in each run


@dataclass(slots=True)
class Speed:
    """One number of one side, measured in several runs."""

    runs: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the runs; 0 without any."""
        return statistics.median(self.runs) if self.runs else 0.0

    def words(self, unit: str) -> str:
        """Say it with its noise: the least and the largest of the runs."""
        noise = f" ({min(self.runs):.3g} to {max(self.runs):.3g})" if len(self.runs) > 1 else ""
        return f"{self.median:.3g}{unit}{noise}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for machines."""
        return {"median": self.median, "runs": self.runs}


def judged(before: Speed, now: Speed) -> str:
    """Say by how much the medians differ, and whether the noise alone explains it."""
    if not before.median or not now.median:
        return ""
    share = now.median / before.median - 1
    apart = max(before.runs) < min(now.runs) or max(now.runs) < min(before.runs)
    few = len(before.runs) < 2 or len(now.runs) < 2
    return f"{share:+.0%}" + (", one run" if few else "" if apart else ", within the noise")


def rate(server: Server, instances: Sequence[Any], seconds: float = ASKED_FOR) -> float:
    """Return the predictions a second of a healthy server that is asked one input at a time."""
    began, asked = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        server.predict([instances[asked % len(instances)]])
        asked += 1
    return asked / passed
