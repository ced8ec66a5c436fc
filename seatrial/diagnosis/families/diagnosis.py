"""What a family is asked about, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.rules.rule import Telling

if TYPE_CHECKING:
    from seatrial.diagnosis.raised import Raised
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of a log that belongs to no traceback: what a program, a server or the cloud printed.

    Attributes:
        text: the line.
        position: its offset in the text of the log.
        following: the lines after it that belong to the same message; "" if it stands alone.
    """

    text: str
    position: int
    following: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A log, and the project that it is of.

    Attributes:
        text: the log without what tools write around its lines.
        facts: what the project's files say; None if there is no project.
        raised: the exceptions of the log, each the last of its chain, in order.
        statements: the lines outside of tracebacks that are not empty.
    """

    text: str
    facts: Facts | None = None
    raised: tuple[Raised, ...] = ()
    statements: tuple[Statement, ...] = field(default=())

    def locked(self, distribution: str) -> str:
        """Return the version of a distribution that the project locks; "" if it locks none or there is no project."""
        if self.facts is None or self.facts.lock is None:
            return ""
        from seatrial.facts.packages.requirements import marker_environment

        entry = self.facts.lock.pins(marker_environment(self.facts.project.python)).get(distribution)
        return str(entry.version) if entry else ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A finding that fits, and why.

    Attributes:
        finding: the finding of a rule, without location and evidence where they are the user's innermost frame and the
            exception: these are added.
        why: what in the text made the family choose it, as a clause: "torch.jit raised it while reading weights.pt".
        position: the offset in the log of what it is about.
        telling: how much it says about the cause; the most telling ones about the same exception are told.
    """

    finding: Finding
    why: str
    position: int
    telling: Telling = Telling.SPECIFIC
