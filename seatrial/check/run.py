"""The check before any install: every rule that facts alone decide, in well under a second.

It reads files, and asks the package index once for the metadata of a lock's wheels, unless that is known
or forbidden. Nothing is installed, and nothing is imported from the project.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.check.waivers import CONFIGURATION, Waived, heed, read_waivers
from seatrial.errors import UsageError
from seatrial.facts.gather import Facts, Gathered, ask, unasked
from seatrial.facts.libraries import answers
from seatrial.findings import Finding, Location, Severity, Step, folded
from seatrial.rules import RULES, nearest
from seatrial.rules.artifacts.manifest import OTHER_ARTIFACTS
from seatrial.rules.lock import wheels
from seatrial.rules.supply.credentials import credential_lines
from seatrial.system import revision
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from seatrial.findings import Stage

ALL = "ST"

OFFLINE = "SEATRIAL_OFFLINE"  # a variable that forbids asking an index, without a note about it


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rules count, by codes or prefixes of codes: the longest that fits a code decides; of equals, `ignore`."""

    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()

    def takes(self, code: str) -> bool:
        """Return whether findings of a code are wanted."""
        chosen = max((len(start) for start in self.select if code.startswith(start)), default=0)
        return chosen > max((len(start) for start in self.ignore if code.startswith(start)), default=0)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check leaves for the stages after it: the facts, and the findings that waivers accepted."""

    facts: Facts
    waived: tuple[Waived, ...]


def check(gathered: Gathered, choice: Choice | None = None, *, offline: bool = False) -> Stage[Checked]:
    """Yield every static finding that is chosen and not waived, by file, line and code.

    What follows from another one is under it. With `offline` no index is asked, and a note says what could not be
    decided without one.
    """
    choice = choice or Choice()
    yield Step("reading the package, the lock and the artifacts")
    facts = gathered.facts
    locks = unasked(facts)
    if offline:
        facts = replace(facts, offline=True)
    elif locks and not os.environ.get(OFFLINE):
        yield Step(f"asking the package index once about {', '.join(lock.path for lock in locks)}")
        facts = ask(facts, locks)
    facts = replace(facts, taken=answers.learn(facts), ignored=_ignored(facts))
    found = [_weighed(finding, facts) for rule in RULES.values() if rule.check for finding in rule.check(facts)]
    left, waived = heed(found, read_waivers(gathered.project, _files(facts, found)), _undecided(facts))
    secret = credential_lines(facts)
    left = [_hiding(finding, secret) for finding in left]
    waived = [replace(w, finding=_hiding(w.finding, secret)) for w in waived]
    yield from folded(sorted((finding for finding in left if choice.takes(finding.code)), key=_place))
    hidden = tuple(sorted((w for w in waived if choice.takes(w.finding.code)), key=lambda w: _place(w.finding)))
    if hidden:
        yield Step(f"{len(hidden)} waived")
    return Checked(facts, hidden)


def chosen(select: Iterable[str], ignore: Iterable[str]) -> Choice:
    """Read the codes of --select and --ignore, each a list with commas; without --select it is all rules.

    Raises:
        UsageError: a code that is neither a rule's nor the prefix of one.
    """
    return Choice(tuple(_codes("--select", select)) or (ALL,), tuple(_codes("--ignore", ignore)))


def _codes(option: str, texts: Iterable[str]) -> Iterator[str]:
    for code in (part.strip().upper() for text in texts for part in text.split(",")):
        if not code:
            continue
        if not code.startswith(ALL) or not any(known.startswith(code) for known in RULES):
            message = f"{option}: no rule has the code {code}{nearest(code)}"
            raise UsageError(message, fix="`seatrial explain` lists them all")
        yield code


def _files(facts: Facts, found: Iterable[Finding]) -> Iterator[str]:
    """Yield the text files that may hold waivers: those that rules read, and those with findings."""
    yield CONFIGURATION
    yield from (module.path for module in (*facts.sources.modules.values(), *facts.scripts))
    yield from (file.path for file in facts.builds.files)
    yield from (fault.location.path for fault in facts.sources.faults.values())
    yield from (file.path for file in (facts.requirements, facts.lock, facts.cpu_lock) if file)
    yield from (finding.location.path for finding in found if finding.location and finding.location.line)


def _ignored(facts: Facts) -> tuple[str, ...]:
    folder = facts.project.artifacts
    if facts.project.is_remote:
        return ()  # no git keeps them
    return tuple(f"{folder}/{path}" for path in revision.ignored(facts.project.artifacts_dir))


_OF_LOADING = ("ST3", "ST601")  # what happens only when a file of the artifacts is loaded


def _weighed(finding: Finding, facts: Facts) -> Finding:
    """Return a finding about a file that no code names as a note: it harms nothing until the file is loaded."""
    files = {finding.subject, finding.location.path if finding.location else ""}
    if not files & facts.unread or not finding.code.startswith(_OF_LOADING) or finding.code == OTHER_ARTIFACTS.code:
        return finding
    why = "no code that serves names this file"
    return replace(finding, severity=Severity.NOTE, cause=f"{finding.cause}; {why}" if finding.cause else why)


def _hiding(finding: Finding, secret: frozenset[tuple[str, int | None]]) -> Finding:
    """Remove credentials from a finding's text; if its line holds one, point at the file only.

    A renderer would show the line.
    """
    where = finding.location
    return replace(
        finding,
        message=redacted(finding.message),
        location=Location(where.path) if where and (where.path, where.line) in secret else where,
        subject=redacted(finding.subject),
        cause=redacted(finding.cause),
        fix=redacted(finding.fix),
        evidence=tuple(redacted(line) for line in finding.evidence),
    )


def _undecided(facts: Facts) -> frozenset[str]:
    """Return the codes of rules that lacked facts, so that their waivers cannot be judged."""
    known = [facts.wheels.get(lock.path) for lock in (facts.lock, facts.cpu_lock) if lock]
    about_names = {rule.code for rule in RULES.values() if rule.needs_sources and facts.taken.undecided}
    if all(one is not None and not one.unknown for one in known):
        return frozenset({wheels.UNDECIDED.code, *about_names})
    return frozenset({rule.code for rule in RULES.values() if rule.needs_wheels} | about_names)


def _place(finding: Finding) -> tuple[str, int, int, str]:
    where = finding.location
    if where is None:
        return "", 0, 0, finding.code
    return where.path, where.line or 0, where.column or 0, finding.code
