"""What a server on trial needed: numbers for the report, and the words of the verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Measured:
    """Measurements; 0 where nothing was measured.

    Attributes:
        peak_memory: the most resident memory of the server and its processes, in bytes.
        machine_memory: what the configured machine type leaves to a container, in bytes.
        requests: how many a full trial sent.
        slowest_seconds: of them, the longest until its answer.
        largest_answer: of them, in bytes.
        processors: of this machine.
    """

    peak_memory: int = 0
    machine_memory: int = 0
    requests: int = 0
    slowest_seconds: float = 0.0
    largest_answer: int = 0
    processors: int = 0

    def words(self, machine: str) -> list[str]:
        """Return the measurements in words, beside what a machine of this type allows."""
        found = []
        if self.requests:
            on = f"the slowest took {self.slowest_seconds:.2g} s with {self.processors} processors"
            found.append(f"{self.requests} requests, {on}, the largest answer has {self.largest_answer:,} bytes")
        if self.peak_memory:
            of = f" of about {self.machine_memory / 2**30:.1f} GiB on {machine}" if self.machine_memory else ""
            found.append(f"{self.peak_memory / 2**30:.2f} GiB of memory{of}")
        return found
