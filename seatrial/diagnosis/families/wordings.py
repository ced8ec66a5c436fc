"""Faults that one sentence tells completely: a table of sentences that a family searches in statements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.findings import Severity
from seatrial.rules.rule import Telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Wording:
    """How programs tell one fault, and what to say about it. Groups of the pattern fill all texts.

    Attributes:
        rule: the rule that the fault is of.
        pattern: finds it in a text; a group that did not take part is empty.
        message: what is wrong.
        fix: what to do; the rule's fix if it is "".
        cause: why it is so.
        why: what in the text made the family choose it.
        telling: how much the sentence says about the cause.
    """

    rule: Rule
    pattern: re.Pattern[str]
    message: str
    fix: str = ""
    cause: str = ""
    why: str = ""
    telling: Telling = Telling.SPECIFIC


def told(wordings: tuple[Wording, ...], text: str, position: int, within: int | None = None) -> Iterator[Diagnosis]:
    """Yield the diagnosis of the first wording that a text has; it must begin in the first `within` characters."""
    for wording in wordings:
        found = wording.pattern.search(text)
        if found and (within is None or found.start() < within):
            groups = {name: value or "" for name, value in found.groupdict().items()}
            finding = wording.rule.finding(
                " ".join(wording.message.format(**groups).split()).strip(" :"),
                cause=wording.cause.format(**groups),
                fix=wording.fix.format(**groups) or wording.rule.fix,
                severity=Severity.ERROR,  # what a check can only warn of has happened here
            )
            words = " ".join(found[0].split())[:80]
            why = wording.why.format(**groups) or f"the text says `{words}`"
            yield Diagnosis(finding, why, position + found.start(), wording.telling)
            return
