"""What a rule is: everything known about one fault, in one place.

`seatrial explain`, the documentation page, the static check and the recognition of the same fault in a traceback
or a server log all come from the same `Rule`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.findings import Finding, Severity

if TYPE_CHECKING:
    from seatrial.facts.gather import Facts

Check = Callable[["Facts"], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Symptom:
    """How a fault shows itself in the text of a traceback or log.

    `pattern` is searched in the text; `message` is the finding's message, filled from the pattern's named groups.
    """

    pattern: re.Pattern[str]
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault.

    Attributes:
        code: `ST` + family digit + two digits; its meaning never changes.
        title: the fault in a few words.
        explanation: what it means and why it happens.
        fix: what to do; a finding may say it more precisely.
        cloud: the exact text that the cloud or the server gives for it, where one is known.
        sources: public places where it is described.
        symptoms: how to recognise it in a text, most specific first.
        check: decides it from facts, before anything is installed; None where only running shows it.
        needs_wheels: whether the check reads what the locked wheels say of themselves.
        detected: how the check decides, what it cannot see, and when it therefore only warns.
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
    check: Check | None = field(default=None, compare=False)
    needs_wheels: bool = False
    detected: str = ""
    bad: str = ""
    good: str = ""

    def finding(self, message: str, **particulars: Any) -> Finding:
        """Make a finding of this rule; `particulars` are further fields of `Finding`."""
        particulars.setdefault("fix", self.fix)
        particulars.setdefault("cloud", self.cloud)
        particulars.setdefault("severity", self.severity)
        return Finding(code=self.code, message=message, **particulars)

    def decided_by(self, check: Check) -> Check:
        """Make a function the static check of this rule; a decorator, so that the two stand together.

        Raises:
            ValueError: the rule has a check already.
        """
        if self.check is not None:
            raise ValueError(f"{self.code} has two checks")
        object.__setattr__(self, "check", check)  # once, while its module is imported
        return check
