"""The check before any install: every rule that facts alone decide, in well under a second.

It reads files and nothing else: no network, no environment, nothing imported from the project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.gather import Facts, gather
from seatrial.findings import Step
from seatrial.rules import RULES

if TYPE_CHECKING:
    from seatrial.findings import Finding, Stage
    from seatrial.project import Project


def check(project: Project) -> Stage[Facts]:
    """Yield every static finding, by file, line and code, and return the facts for the stages after it."""
    yield Step("reading the package, the lock and the artifacts")
    facts = gather(project)
    found = [finding for rule in RULES.values() if rule.check for finding in rule.check(facts)]
    yield from sorted(found, key=_place)
    return facts


def _place(finding: Finding) -> tuple[str, int, int, str]:
    where = finding.location
    if where is None:
        return "", 0, 0, finding.code
    return where.path, where.line or 0, where.column or 0, finding.code
