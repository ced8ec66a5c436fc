"""What the locks and requirements.in pin, for the rules that compare versions; no rule is here.

A pin that both locks have is one pin, and is changed in requirements.in if that pins the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import torch_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry, RequirementFile
    from seatrial.findings import Location

TORCH, TORCHVISION = "torch", "torchvision"


def locks_of(facts: Facts) -> list[RequirementFile | None]:
    """Return requirements.txt (None if it is missing), and the lock of the CPU builds if there is one."""
    return [facts.lock, *([facts.cpu_lock] if facts.cpu_lock else [])]


def pins_of(facts: Facts, lock: RequirementFile | None) -> dict[str, Entry]:
    """Return what a lock pins, and what requirements.in pins but the lock does not."""
    environment = marker_environment(facts.project.python)
    asked = facts.requirements.pins(environment) if facts.requirements else {}
    return {**asked, **(lock.pins(environment) if lock else {})}


def asked_pair(facts: Facts) -> dict[str, Entry]:
    """Return the requirement of requirements.in on one of the pair, if there is exactly one."""
    if facts.requirements is None:
        return {}
    environment = marker_environment(facts.project.python)
    entries = [e for e in facts.requirements.entries if e.name in (TORCH, TORCHVISION) and e.applies(environment)]
    return {e.name: e for e in entries if sum(other.name == e.name for other in entries) == 1}


def both(facts: Facts, first: str, second: str) -> Iterator[tuple[Entry, Entry]]:
    """Yield the pins of two distributions, for every lock that has another two."""
    seen: set[tuple[Version, Version]] = set()
    for lock in locks_of(facts):
        pins = pins_of(facts, lock)
        if first in pins and second in pins:
            versions = (public_version(pins[first]), public_version(pins[second]))
            if versions not in seen:
                seen.add(versions)
                yield pins[first], pins[second]


def place_of(facts: Facts, entry: Entry) -> Location:
    """Return the line to change: that of requirements.in if it pins the same, else the lock's."""
    for asked in facts.requirements.entries if facts.requirements else ():
        if asked.name == entry.name and asked.version is not None and public_version(asked) == public_version(entry):
            return asked.location
    return entry.location


def public_version(entry: Entry) -> Version:
    """Return the version of a pin without its label, as in the tables; 0 if it pins no version."""
    return Version(entry.version.public) if entry.version else Version("0")


def partner_of_torch(torch: Version) -> str:
    """Return the requirement on torchvision that belongs to a torch; "" if the table has none."""
    fitting = torch_pairs().for_torch(torch)
    return f"torchvision=={fitting[-1].version}" if fitting else ""
