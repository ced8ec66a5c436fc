"""Which version of a distribution is locked, and which one training used: what rules about calls compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from seatrial.facts.packages.requirements import marker_environment

if TYPE_CHECKING:
    from seatrial.facts.gather import Facts


def locked(facts: Facts, name: str) -> Version | None:
    """Return the version that the locks pin, without its local part; None if they pin none or disagree."""
    environment = marker_environment(facts.project.python)
    found = set()
    for lock in (facts.lock, facts.cpu_lock):
        entry = lock.pins(environment).get(name) if lock else None
        if entry and entry.version:
            found.add(Version(entry.version.public))
    return found.pop() if len(found) == 1 else None


def trained_with(facts: Facts, name: str) -> Version | None:
    """Return the version that training used, according to the manifest of the artifacts."""
    try:
        return Version(Version(facts.manifest.trained_with[name]).public) if facts.manifest else None
    except (KeyError, InvalidVersion):
        return None
