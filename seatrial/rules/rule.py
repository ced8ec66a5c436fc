"""What a rule is: everything known about one fault, in one place.

`seatrial explain`, the documentation page, the static check and the recognition of the same fault in a traceback
or a server log all come from the same `Rule`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from seatrial.findings import Finding, Severity

if TYPE_CHECKING:
    from seatrial.facts.gather import Facts

Check = Callable[["Facts"], Iterator[Finding]]
# What a symptom's pattern captured, by the names of its groups.
Groups = Mapping[str, str]
Confirmation = Callable[[Groups, "Facts | None"], bool]
Refinement = Callable[[Finding, Groups, "Facts | None"], Finding]


class Telling(IntEnum):
    """How much a rule's symptom says about the cause; of several findings of one text, the most telling comes first."""

    SPECIFIC = 0  # it names the cause
    WIDE = 1  # it fits many texts, or only follows from another fault
    NAMELESS = 2  # a sentence of a server or the cloud that names no cause


@dataclass(frozen=True, slots=True)
class Symptom:
    """How a fault shows itself in the text of a traceback or log.

    `expression`, a regular expression, is searched in the text; `message` is the finding's message, filled from the
    expression's named groups.
    """

    expression: str
    message: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """The compiled expression; a check needs none of the nearly two hundred."""
        return _compiled(self.expression)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault.

    Attributes:
        code: `ST` + family digit + two digits; its meaning never changes.
        title: the fault in a few words.
        explanation: what it means and why it happens.
        fix: what to do; a finding may say it more precisely.
        cloud: the exact text that the cloud or the server prints for it, if known.
        sources: public places where it is described.
        symptoms: how to recognise it in a text, most specific first.
        telling: how much its symptoms say about the cause.
        yields_to: rules that say more about the same text: next to one of them, this one is left out.
        yields_module_to: likewise, but only if both found the same module.
        confirm: whether a text with a symptom is about this fault in this project; None if it always is.
        refine: completes the finding of a symptom from what the text and the project say.
        check: decides it from facts, before anything is installed; None if only running shows it.
        rests_on: what its findings rest on, unless one says otherwise; see `Finding`.
        needs_wheels: whether the check reads the metadata of the locked wheels.
        needs_sources: whether the check reads the modules of the locked wheels.
        detected: how the check decides, what it cannot see, and when it therefore only warns.
        recognised: how a family of the diagnosis tells it in a log, by the structure of the failure; "" if none does.
        bad: an excerpt of a project that has the fault.
        good: the same excerpt without it.
    """

    code: str
    title: str
    explanation: str
    fix: str
    severity: Severity = Severity.ERROR
    cloud: str = ""
    sources: tuple[str, ...] = ()
    symptoms: tuple[Symptom, ...] = ()
    telling: Telling = Telling.SPECIFIC
    yields_to: tuple[Rule, ...] = field(default=(), compare=False, repr=False)
    yields_module_to: tuple[Rule, ...] = field(default=(), compare=False, repr=False)
    confirm: Confirmation | None = field(default=None, compare=False)
    refine: Refinement | None = field(default=None, compare=False)
    check: Check | None = field(default=None, compare=False)
    rests_on: tuple[str, ...] = ()
    needs_wheels: bool = False
    needs_sources: bool = False
    detected: str = ""
    recognised: str = ""
    bad: str = ""
    good: str = ""

    @property
    def summary(self) -> str:
        """The first sentence of the explanation."""
        return self.explanation.split(". ")[0].removesuffix(".") + "."

    def finding(self, message: str, **particulars: Any) -> Finding:
        """Return a finding of this rule; `particulars` are further fields of `Finding`."""
        particulars.setdefault("fix", self.fix)
        particulars.setdefault("cloud", self.cloud)
        particulars.setdefault("severity", self.severity)
        particulars.setdefault("rests_on", self.rests_on)
        return Finding(code=self.code, message=message, **particulars)

    def decided_by(self, check: Check) -> Check:
        """Use a function as the check of this rule; a decorator, so that the two stay together."""
        self._set("check", check)
        return check

    def confirmed_by(self, confirm: Confirmation) -> Confirmation:
        """Use a function to confirm a symptom of this rule; a decorator."""
        self._set("confirm", confirm)
        return confirm

    def refined_by(self, refine: Refinement) -> Refinement:
        """Use a function to refine the finding of a symptom of this rule; a decorator."""
        self._set("refine", refine)
        return refine

    def _set(self, name: str, function: Callable[..., Any]) -> None:
        """Complete the rule, once, while its module is imported."""
        if getattr(self, name) is not None:
            raise ValueError(f"{self.code} has two functions for `{name}`")
        object.__setattr__(self, name, function)
