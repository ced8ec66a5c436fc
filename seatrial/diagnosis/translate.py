"""Text → findings: which rules' faults a traceback or a log shows, and where in the project.

The trial, the deployer and `seatrial explain --log` use the same function. Families judge exceptions and lines by their
structure; the rules' own symptoms are looked for beside them. What neither knows is left to the caller.
"""

from __future__ import annotations

import pkgutil
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from seatrial.diagnosis import families, noise, places
from seatrial.diagnosis.envelopes import plain
from seatrial.diagnosis.exceptions import Exceptions, read
from seatrial.diagnosis.families.diagnosis import Case, Diagnosis, Statement
from seatrial.diagnosis.handled import failing
from seatrial.diagnosis.symptoms import matches
from seatrial.findings import Severity
from seatrial.rules import RULES
from seatrial.rules.rule import Telling
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from seatrial.diagnosis.raised import Raised
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

_Ask: TypeAlias = "Callable[..., Iterable[Diagnosis]]"
_STATEMENTS = 20_000  # lines that families are asked about; what ended a process is written last


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A finding that fits, before it is weighed against the others.

    Attributes:
        about: the exception that is the last of the chain it is about; None if it is about a line.
        link: the one of the chain.
        lines: the offsets of the text that it is about, if that is no exception.
        code: of its rule, if it was recognised by a symptom: of these, a log tells each rule once.
    """

    finding: Finding
    telling: Telling
    position: int
    about: Raised | None = None
    link: Raised | None = None
    lines: range = range(0)
    code: str = ""


def diagnose(text: str, facts: Facts | None = None) -> list[Finding]:
    """Return a finding for every fault that is recognised in the text, the most telling first.

    The facts of the project tell its own modules from distributions. With them a finding has the location of the
    user's innermost frame, or of the class that a pickle needs.
    """
    case, exceptions = examine(text, facts)
    found = [*_by_families(case), *_by_symptoms(case, exceptions)]
    by_exception: dict[int, list[_Candidate]] = {}
    for each in found:
        by_exception.setdefault(id(each.about), []).append(each)
    of_lines = _of_lines(by_exception.pop(id(None), []))
    weighed = [*of_lines, *(each for group in by_exception.values() for each in _most_telling(group))]
    weighed.sort(key=_order)
    return list(_once(weighed))


def examine(text: str, facts: Facts | None = None) -> tuple[Case, Exceptions]:
    """Read a log: its exceptions and statements, without those that are no failures."""
    text = redacted(plain(text))
    exceptions = read(text, facts.project if facts else None, facts.lock if facts else None)
    return noise.without(Case(text, facts, exceptions.raised, exceptions.statements)), exceptions


def _by_families(case: Case) -> Iterator[_Candidate]:
    """Yield what the families say of each exception of each chain, and of each line."""
    of_exception, of_statement = _asked()
    for last in case.raised:
        for link in failing(last):
            for ask, alone in of_exception:
                diagnoses = [_of_exception(diagnosis, link, last) for diagnosis in ask(link, case)]
                yield from diagnoses
                if diagnoses and alone:
                    break
    for statement in _distinct(case.statements[-_STATEMENTS:]):
        for ask in of_statement:
            for diagnosis in ask(statement, case):
                told = replace(diagnosis.finding, because=diagnosis.finding.because or diagnosis.why)
                if not told.evidence:
                    told = replace(told, evidence=(statement.text.strip(),))
                end = statement.position + len(statement.text) + 1 + len(statement.following)
                yield _Candidate(told, diagnosis.telling, diagnosis.position, lines=range(statement.position, end))


def _distinct(statements: Sequence[Statement]) -> list[Statement]:
    """Return the first of those that say the same: a server that fails repeats itself thousands of times."""
    first: dict[tuple[str, str], Statement] = {}
    for statement in statements:
        first.setdefault((statement.text, statement.following), statement)
    return list(first.values())


@cache
def _asked() -> tuple[tuple[tuple[_Ask, bool], ...], tuple[_Ask, ...]]:
    """Return the functions of the families that are asked about an exception, and about a line.

    Those of families that say what no other can say first stand first, with True.
    """
    names = [module.name for module in pkgutil.iter_modules(families.__path__) if module.name != "diagnosis"]
    modules = [import_module(f"{families.__name__}.{name}") for name in names]
    modules.sort(key=lambda module: not getattr(module, "ALONE", False))
    return (
        tuple((m.of_exception, getattr(m, "ALONE", False)) for m in modules if hasattr(m, "of_exception")),
        tuple(module.of_statement for module in modules if hasattr(module, "of_statement")),
    )


def _of_exception(diagnosis: Diagnosis, link: Raised, last: Raised) -> _Candidate:
    """Complete a family's finding with the user's innermost frame and the frames that lead to it."""
    location, lines = places.of(link, last)
    told = diagnosis.finding
    told = replace(
        told,
        location=told.location or location,
        evidence=told.evidence or tuple(lines),
        because=told.because or diagnosis.why,
        cause=told.cause or RULES[told.code].summary,
        cloud="",  # the log has its own words
        # What a check can only warn of has happened here.
        severity=Severity.ERROR if told.severity is Severity.WARNING else told.severity,
    )
    return _Candidate(told, diagnosis.telling, diagnosis.position, last, link)


def _by_symptoms(case: Case, exceptions: Exceptions) -> Iterator[_Candidate]:
    """Yield what the rules recognise by their symptoms."""
    flat, original = _ungrouped(case.text)
    lines = {statement.position for statement in case.statements}
    told = {id(last): {id(link) for link in failing(last)} for last in case.raised}

    def counts(position: int) -> bool:
        at = original(position)
        if last := exceptions.around(at):
            return id(exceptions.link_at(last, at)) in told.get(id(last), ())
        return case.text.rfind("\n", 0, at) + 1 in lines

    for match in matches(flat, case.facts, counts):
        at = original(match.position)
        last = exceptions.around(at)
        # A line before or after a traceback mostly tells of the same failure.
        near = last or next((each for each in case.raised if each.position >= at), (None, *case.raised)[-1])
        location, shown = places.of(None, near) if near else (None, [])
        link = exceptions.link_at(last, at) if last else None
        finding = match.finding(case.facts, location, shown)
        yield _Candidate(finding, match.rule.telling, at, last, link, range(at, at + 1), match.rule.code)


def _most_telling(found: list[_Candidate]) -> Iterator[_Candidate]:
    """Yield the most telling of what fits one exception; a family knows more of it than a symptom does."""
    judged = {id(each.link): each.telling for each in found if not each.code}
    kept = [each for each in found if not each.code or judged.get(id(each.link), Telling.NAMELESS + 1) > each.telling]
    best = min(each.telling for each in kept)
    yield from (each for each in kept if each.telling == best)


def _of_lines(found: list[_Candidate]) -> Iterator[_Candidate]:
    """Yield what fits lines: not the symptoms of those about which a family says more."""
    judged = [each for each in found if not each.code]
    for each in found:
        if not each.code or not any(each.position in other.lines and other.telling <= each.telling for other in judged):
            yield each


def _order(each: _Candidate) -> tuple[int, int, int, int]:
    """The most telling first; then in the order of the log, and of a chain the first cause."""
    if each.about is None:
        return each.telling, each.position, 0, each.position
    chain = list(each.about.chain())
    depth = next((number for number, link in enumerate(chain) if link is each.link), 0)
    return each.telling, min(link.position for link in chain), -depth, each.position


def _once(found: list[_Candidate]) -> Iterator[Finding]:
    """Yield each finding once, and each rule once that was recognised by its symptom."""
    seen: set[tuple[str, str]] = set()
    for each in found:
        keys = {(each.finding.code, each.finding.message), *([(each.code, "")] if each.code else ())}
        if seen.isdisjoint(keys):
            yield each.finding
        seen |= keys | {(each.finding.code, "")}


_GROUP_BEGIN = re.compile(r"^ *\+ (?=Exception Group Traceback \(most recent call last\):$)", re.MULTILINE)
_GROUP_MARGIN = re.compile(r"^ +\| ?", re.MULTILINE)  # before each line of an exception group


def _ungrouped(text: str) -> tuple[str, Callable[[int], int]]:
    """Return a text whose exception groups read like any traceback, and what turns its offsets into the text's."""
    if not _GROUP_BEGIN.search(text):
        return text, lambda position: position
    flat: list[str] = []
    offsets: list[int] = []
    begin = 0
    for margin in sorted((*_GROUP_BEGIN.finditer(text), *_GROUP_MARGIN.finditer(text)), key=re.Match.start):
        flat.append(text[begin : margin.start()])
        offsets += range(begin, margin.start())
        begin = margin.end()
    offsets += range(begin, len(text) + 1)
    return "".join([*flat, text[begin:]]), offsets.__getitem__
