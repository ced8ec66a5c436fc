"""What a server on trial needed: numbers for the report, and the words of the verdict."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

_MANY = 20  # answers, of which the slowest twentieth is more than one


@dataclass(slots=True)
class Measured:
    """Measurements; 0 where nothing was measured.

    Attributes:
        peak_memory: the most resident memory of the server and its processes, in bytes.
        workers: processes that predicted; 0 where the server does not say.
        machine: the smallest of the configured machine types.
        machine_memory: what it leaves to a container, in bytes.
        memory_there: the peak to expect with as many processes as it will have, in bytes.
        workers_there: how many those are.
        seconds_alone: of each input that a lone client sent, until its answer.
        clients: that a full trial let ask at once, each as fast as it was answered.
        answers_a_second: that all of them got.
        seconds_at_once: of each of their requests, until its answer.
        requests: how many a full trial sent.
        slowest_seconds: of them, the longest until its answer.
        largest_answer: of them, in bytes.
        processors: of this machine.
    """

    peak_memory: int = 0
    workers: int = 0
    machine: str = ""
    machine_memory: int = 0
    memory_there: int = 0
    workers_there: int = 0
    seconds_alone: list[float] = field(default_factory=list)
    clients: int = 0
    answers_a_second: float = 0.0
    seconds_at_once: list[float] = field(default_factory=list)
    requests: int = 0
    slowest_seconds: float = 0.0
    largest_answer: int = 0
    processors: int = 0

    def words(self) -> list[str]:
        """Return the measurements in words, beside what the machine allows."""
        found = []
        if self.seconds_alone:
            found.append(f"an answer in {spread(self.seconds_alone)}")
        if self.answers_a_second:
            at_once = f"in {spread(self.seconds_at_once)}"
            found.append(f"{self.answers_a_second:.0f} answers a second to {self.clients} clients, {at_once}")
        if self.requests:
            on = f"the slowest took {self.slowest_seconds:.2g} s with {self.processors} processors"
            found.append(f"{self.requests} requests, {on}, the largest answer has {self.largest_answer:,} bytes")
        if self.peak_memory:
            found.append(f"{self.peak_memory / 2**30:.2f} GiB of memory{self._there()}")
        return found

    def _there(self) -> str:
        if not self.machine_memory:
            return ""
        left = f"about {self.machine_memory / 2**30:.1f} GiB"
        if self.workers_there == self.workers:
            return f" of {left} on {self.machine}"
        here = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        there = f"about {self.memory_there / 2**30:.1f} GiB with the {self.workers_there} of {self.machine}"
        return f" with {here}, {there}, which leaves {left}"


def spread(seconds: list[float]) -> str:
    """Return the median of times and the slowest in words; of many the time within which 95 % lie."""
    middle = 1000 * statistics.median(seconds)
    if len(seconds) < _MANY:
        return f"{_number(middle)} ms, the slowest in {_number(1000 * max(seconds))} ms"
    return f"{_number(middle)} ms, 95 % within {_number(1000 * statistics.quantiles(seconds, n=20)[-1])} ms"


def _number(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:.0f}"
