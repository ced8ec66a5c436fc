"""What the kernel counts: the processor time and the memory of a tree of processes, and of the whole machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # a second
_IDLE, _IOWAIT, _GUEST = 3, 4, 8  # columns of /proc/stat; guests' time is counted in the users' columns already


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its parent, its session, and its seconds of processor time with those of children that ended."""

    parent: int
    session: int
    seconds: float


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def busy(stat: str) -> float:
    """Return the seconds that a text of /proc/stat says were worked or stolen, on all cores."""
    columns = [int(part) for part in stat.splitlines()[0].split()[1:]]
    return sum(value for at, value in enumerate(columns[:_GUEST]) if at not in (_IDLE, _IOWAIT)) / TICKS


def busy_now() -> float:
    """Return the seconds that the machine worked since it started."""
    return busy(Path("/proc/stat").read_text(encoding="ascii"))


def process(stat: str) -> Process:
    """Return what a text of /proc/PID/stat says; the program's name in it may hold spaces and brackets."""
    fields = stat.rpartition(")")[2].split()  # the first of them is field 3 of proc(5)
    return Process(int(fields[1]), int(fields[3]), sum(int(each) for each in fields[11:15]) / TICKS)


def tree(root: int) -> dict[int, Process]:
    """Return a session's processes and all that descend from them."""
    everything = dict(_everything())
    found = {root} | {number for number, each in everything.items() if each.session == root}
    while grown := {number for number, each in everything.items() if each.parent in found} - found:
        found |= grown
    return {number: everything[number] for number in found if number in everything}


def worked(root: int) -> float:
    """Return the seconds that a tree of processes has worked."""
    return sum(each.seconds for each in tree(root).values())


def memory(root: int) -> float:
    """Return the megabytes of a tree of processes, in which a shared page is counted once (PSS)."""
    return sum(_proportional(number) for number in tree(root)) / 1000


def _everything() -> Iterator[tuple[int, Process]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), process((folder / "stat").read_text(encoding="utf-8", errors="replace"))
            except OSError:  # it has ended meanwhile
                continue


def _proportional(number: int) -> float:
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended, or is no process with memory
        return 0.0
    return next((int(line.split()[1]) * 1.024 for line in lines if line.startswith("Pss:")), 0.0)
