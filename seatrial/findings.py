"""Findings: the currency between all stages.

A stage is a generator. It yields `Step`s (what it is doing) and `Finding`s (what is wrong), and returns what the
next stage needs. It does not know how they are displayed. A command that runs several stages marks the beginning of
each with a `Phase`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar


class Severity(StrEnum):
    """How bad a finding is; only errors fail a command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file of the project.

    `path` is relative to the project's root, with forward slashes, or the address of an object in a bucket. `line` and
    the columns count from 1; `end_column` is exclusive. A finding about a whole file has no line.
    """

    path: str
    line: int | None = None
    column: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        parts = [self.path, *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


def in_repository(path: str) -> str:
    """Return the file of the project that stands for the one at `path`: of what lies in a bucket, the lock of that."""
    return "artifacts.lock" if path.startswith("gs://") else path


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that is safe to make without asking: `seatrial check --fix` makes it.

    `text` replaces the columns from `column` up to `end_column` of `line`, counted as in `Location`; equal columns
    insert. Without a line, `text` is a line to add at the end of the file, which is created if it does not exist.
    `was` is the present text of those columns, if the rule knows it: any other text is left alone.
    """

    path: str
    text: str
    line: int | None = None
    column: int | None = None
    end_column: int | None = None
    was: str | None = None


# Pieces of the project on which many judgements rest: `Finding.lacks` and `rests_on`. A distribution is one too.
REQUIREMENTS = "requirements.in"
LOCK = "requirements.txt"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in the same words on a laptop, in a pull request and in a cloud log.

    Attributes:
        code: `ST` and three digits; see `seatrial explain CODE`.
        message: what is wrong, with the concrete names in it.
        severity: errors fail the command, warnings and notes do not.
        location: where to fix it, if that is in a file of the project.
        subject: what it is about, if that is not in a file (a distribution, a golden image).
        cause: why it is so.
        cloud: what the cloud would have said about it.
        fix: what to do.
        evidence: lines that prove it: a traceback reduced to the user's frames, numbers that differ.
        because: what in the text of a failure made the diagnosis choose this rule, as a clause; "" for a check.
        edits: the fix as changes of files, to make all together; empty if only a person can decide.
        lacks: the piece of the project that is not there, if that is what it says: REQUIREMENTS, LOCK, a distribution.
        rests_on: pieces of the project; if one of them is lacking, this follows from it.
        followers: the findings that follow from this one, and are not shown one by one; see `folded`.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    location: Location | None = None
    subject: str = ""
    cause: str = ""
    cloud: str = ""
    fix: str = ""
    evidence: tuple[str, ...] = ()
    because: str = ""
    edits: tuple[Edit, ...] = ()
    lacks: str = ""
    rests_on: tuple[str, ...] = ()
    followers: tuple[Finding, ...] = ()

    @property
    def docs(self) -> str:
        """The page that explains the rule, relative to the repository."""
        return f"docs/rules/{self.code}.md"

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        followers = [follower.as_dict() for follower in self.followers]
        return {**asdict(self), "severity": self.severity.value, "followers": followers, "docs": self.docs}


@dataclass(frozen=True, slots=True)
class Step:
    """A line of progress: what the running stage does now. A lasting one is printed, also to a log."""

    text: str
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """A stage begins."""

    name: str


T = TypeVar("T")
Event = Finding | Step | Phase
Stage = Generator[Event, None, T]


def watched(stage: Stage[T]) -> Stage[tuple[T, bool]]:
    """Yield a stage's events; return what it returns, and whether any of its findings was an error."""
    broken = False
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            return end.value, broken
        broken = broken or (isinstance(event, Finding) and event.severity is Severity.ERROR)
        yield event


def failed(findings: Iterable[Finding]) -> bool:
    """Return whether any of the findings is an error."""
    return any(f.severity is Severity.ERROR for f in findings)


_SEVERITIES = list(Severity)  # the worst first


def folded(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, each that follows from another one under it, in the order that they have.

    A finding follows from the one that says that a piece on which it rests is lacking. It is never put under a finding
    that is less bad.
    """
    lack = {finding.lacks: finding for finding in reversed(findings) if finding.lacks}
    under: dict[int, list[Finding]] = {}
    for finding in findings:
        under.setdefault(id(_origin(finding, lack)), []).append(finding)
    return [_with_followers(finding, under[id(finding)]) for finding in findings if id(finding) in under]


def _origin(finding: Finding, lack: dict[str, Finding]) -> Finding:
    for piece in finding.rests_on:
        other = lack.get(piece)
        if other and _SEVERITIES.index(other.severity) <= _SEVERITIES.index(finding.severity):
            return _origin(other, lack)
    return finding


def _with_followers(origin: Finding, family: Sequence[Finding]) -> Finding:
    return replace(origin, followers=tuple(finding for finding in family if finding is not origin))


def unfolded(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings, each before those that follow from it."""
    for finding in findings:
        yield finding
        yield from unfolded(finding.followers)


def that_follow(codes: Sequence[str]) -> str:
    """Return in words how many findings follow from others, by the codes of their rules; "" if none does."""
    if not codes:
        return ""
    each = ", ".join(f"{number} {code}" for code, number in Counter(codes).items())
    return f"{len(codes)} more that follow{'s' if len(codes) == 1 else ''} ({each})"
