"""The rules' symptoms in a text: regular expressions that the rules themselves have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding, Location
    from seatrial.rules.rule import Rule

_LONGEST = 120  # characters of a text that a finding quotes
_SHORTEST = 12  # what is shorter says too little without its line


@dataclass(frozen=True, slots=True)
class Match:
    """A symptom of a rule that is in a text and fits the project.

    Attributes:
        rule: the rule.
        groups: what the pattern captured.
        message: the finding's.
        position: the offset in the text.
        line: the whole line.
        words: what the pattern matched.
    """

    rule: Rule
    groups: dict[str, str]
    message: str
    position: int
    line: str
    words: str

    def finding(self, facts: Facts | None, location: Location | None, lines: Sequence[str]) -> Finding:
        """Return the finding, at a location, with the lines that prove it."""
        evidence = lines if any(self.line in line or line in self.line for line in lines) else (*lines, self.line)
        finding = self.rule.finding(
            self.message,
            severity=Severity.ERROR,  # what a check can only warn of has happened here
            location=location,
            cause=self.rule.summary,
            evidence=tuple(evidence),
            because=f'the log says "{_quoted(self)}"',
        )
        return self.rule.refine(finding, self.groups, facts) if self.rule.refine else finding


def matches(text: str, facts: Facts | None, counts: Callable[[int], bool]) -> list[Match]:
    """Return every rule's best match: its first symptom that is in the text, at a place that counts.

    A rule that says less than another one that matched is left out.
    """
    found = [match for rule in RULES.values() for match in _best(rule, text, facts, counts)]
    return [match for match in found if not _is_repeated(match, found)]


def _best(rule: Rule, text: str, facts: Facts | None, counts: Callable[[int], bool]) -> Iterator[Match]:
    """Yield the rule's match that counts; if a warning says more about the same fault, then that one."""
    if next(_first(rule, text, facts, counts), None):
        yield from _first(rule, text, facts, lambda _: True)


def _first(rule: Rule, text: str, facts: Facts | None, counts: Callable[[int], bool]) -> Iterator[Match]:
    for symptom in rule.symptoms:
        for found in symptom.pattern.finditer(text):
            groups = {name: value for name, value in found.groupdict().items() if value is not None}
            if counts(found.start()) and (rule.confirm is None or rule.confirm(groups, facts)):
                line = _line_at(text, found.start())
                yield Match(rule, groups, symptom.message.format(**groups), found.start(), line, found[0])
                return


def _is_repeated(match: Match, found: list[Match]) -> bool:
    """Return whether a rule that says more found the same."""
    module = match.groups.get("module")
    return any(
        other.rule in match.rule.yields_to
        or (other.rule in match.rule.yields_module_to and other.groups.get("module") == module)
        for other in found
    )


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return text[start:].partition("\n")[0].strip()


def _quoted(match: Match) -> str:
    words = " ".join((match.words if len(match.words.strip()) >= _SHORTEST else match.line).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
