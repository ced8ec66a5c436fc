"""The check before any install: every rule that facts alone decide, in well under a second.

It reads files, and asks the package index once for a lock what its wheels say of themselves, unless that is known or
forbidden. Nothing is installed, and nothing is imported from the project.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.gather import Facts, ask, gather, unasked
from seatrial.findings import Step
from seatrial.rules import RULES

if TYPE_CHECKING:
    from seatrial.findings import Finding, Stage
    from seatrial.project import Project


OFFLINE = "SEATRIAL_OFFLINE"  # a variable that forbids asking an index, where not to ask is no news


def check(project: Project, *, offline: bool = False) -> Stage[Facts]:
    """Yield every static finding, by file, line and code, and return the facts for the stages after it.

    With `offline` no index is asked, and a note says what could not be decided without.
    """
    yield Step("reading the package, the lock and the artifacts")
    facts = gather(project)
    locks = unasked(facts)
    if offline:
        facts = replace(facts, offline=True)
    elif locks and not os.environ.get(OFFLINE):
        yield Step(f"asking the package index once about {', '.join(lock.path for lock in locks)}")
        facts = ask(facts, locks)
    found = [finding for rule in RULES.values() if rule.check for finding in rule.check(facts)]
    yield from sorted(found, key=_place)
    return facts


def _place(finding: Finding) -> tuple[str, int, int, str]:
    where = finding.location
    if where is None:
        return "", 0, 0, finding.code
    return where.path, where.line or 0, where.column or 0, finding.code
