"""What init tells: what it inferred and where from, what it asks, and what stays missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from seatrial.findings import Location

_SHOWN = 6  # choices in a sentence


@dataclass(frozen=True, slots=True)
class Question:
    """Something that no file says.

    Attributes:
        flag: the option that answers it: `--model`.
        text: the question.
        default: the answer that is proposed.
        choices: the answers among which to choose; empty for any text.
    """

    flag: str
    text: str
    default: str
    choices: tuple[str, ...] = ()


Ask = Callable[[Question], str]  # returns the answer


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was inferred: what, its value, and where from."""

    what: str
    value: str
    origin: str


def where(origin: Location | str) -> str:
    """Return a place as file and line."""
    if isinstance(origin, str):
        return origin
    return f"{origin.path}:{origin.line}" if origin.line else origin.path


@dataclass
class Notes:
    """What is told at the end.

    Attributes:
        told: in the order in which it was decided.
        missing: what a person has to do before a trial.
        unknown: what cannot be known from the files, and what was assumed instead.
    """

    told: list[Told] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def tell(self, what: str, value: str, origin: Location | str) -> None:
        """Note an inference."""
        self.told.append(Told(what, value, where(origin)))


def listed(names: list[str]) -> str:
    """Return the first of several names, and how many more there are."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
