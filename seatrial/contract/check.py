"""What a check is, and the table of all of them, which the modules of the groups fill.

Required is what Vertex AI documents, what HTTP demands of every server, and what keeps one client's fault from
others. Everything else is recommended: a server without it works, and its operators would rather have it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar


class Level(StrEnum):
    """How much depends on a check."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


class Group(StrEnum):
    """What a check is about. `START`, `STOP` and `AGAIN` look at a command that the suite itself starts and stops."""

    START = "start"
    HEALTH = "health"
    PREDICT = "predict"
    BODIES = "bodies"
    HTTP = "http"
    IMAGES = "images"
    CLIENTS = "clients"
    STOP = "stop"
    AGAIN = "again"


OF_A_COMMAND = frozenset({Group.START, Group.STOP, Group.AGAIN})


class BrokenError(Exception):
    """The server does not keep the contract; the text says what it did."""


class NotSeenError(Exception):
    """The server gave no occasion to see it; the text says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """A point of the contract.

    Attributes:
        name: of the check; its first word is a group's.
        says: what the contract says, in a sentence.
        source: where it says so.
        run: looks whether it is kept; raises a `BrokenError` if not.
        core: it takes milliseconds, and every trial runs it.
        instances: it depends on what the code of a predictor makes of single instances, if that gets them itself.
        slow: it takes a minute or more, and is run only if asked for.
    """

    name: str
    group: Group
    level: Level
    says: str
    source: str
    run: Callable[[Any], None]
    core: bool = False
    instances: bool = False
    slow: bool = False


CHECKS: dict[str, Check] = {}
Run = TypeVar("Run", bound=Callable[[Any], None])


def row(
    group: Group,
    name: str,
    level: Level,
    source: str,
    *,
    core: bool = False,
    instances: bool = False,
    slow: bool = False,
) -> Callable[[Run], Run]:
    """Add a function to the table; its docstring is what the contract says.

    Raises:
        ValueError: there is a check of this name.
    """

    def add(run: Run) -> Run:
        if name in CHECKS:
            raise ValueError(f"two checks are called {name}")
        says = " ".join((run.__doc__ or "").split())
        CHECKS[name] = Check(name, group, level, says, source, run, core, instances, slow)
        return run

    return add
