"""What a log holds that is no failure: warnings, what was caught, and clients or people that went away."""

from __future__ import annotations

import bisect
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.diagnosis.raised import Owner

if TYPE_CHECKING:
    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

# A line that its writer calls a warning or less: Python's warnings, logging's, glog's.
_WARNING = re.compile(
    r"^(?:.*?:\d+: \w*Warning: |\w*Warning: |(?:DEBUG|WARN|WARNING)(?::\w|:?\s{2,})|\[(?:DEBUG|WARN|WARNING)\s?\]"
    r"|\[?W\d{4} \d\d:"
    r"|\d{4}-\d\d-\d\d.{9,30}\b(?:DEBUG|WARN|WARNING)\b|\d{4}-\d\d-\d\d[^\n]{9,120} [-|:] (?:DEBUG|WARNING) *[-|:] )"
)
# What Python's own warnings look like: no traceback belongs to them.
_OF_PYTHON = re.compile(r"^(?:[^\n]*?:\d+: )?\w*Warning: ")
# A warning that speaks of what was caught, and lines that say that a process did not go on.
_SPEAKS = re.compile(
    r"(?i)could(?: not|n't)|can(?:not|'t)|unable|fail|error|exception|caught|ignor|fall|skip|disab|unavailable|optional"
)
_OVER = re.compile(
    r"(?i)exit|died|terminat|shutting down|shutdown|stopped|killed|fail|error|critical|fatal|restart|back-off|unhealthy"
)
# What a program says when it goes on without what it tried.
_INSTEAD = re.compile(
    r"(?im)^(?![^\n]*\b(?:instead of|not|no|without) fall)[^\w\n]*(?:\w[\w ,:'`()-]{0,80} )?"
    r"(?:fall(?:ing|s)?[ -]?back\b|ignoring (?:it|this|the)\b|"
    r"(?:continuing|proceeding) without\b|using [^\n]{1,60} instead\b|will (?:not be (?:available|used)|be disabled)\b)"
)
# Python itself goes on after these.
_IGNORED = re.compile(r"^(?:Exception ignored in|Task was destroyed but it is pending)")
# How a task or a process is ended from outside, and a client that left.
_ENDED = frozenset(("CancelledError", "KeyboardInterrupt", "GeneratorExit", "ClientDisconnect", "EndOfStream"))
_LEFT = frozenset(("BrokenPipeError", "ConnectionResetError", "ConnectionAbortedError"))


def without(case: Case) -> Case:
    """Return a case without the exceptions and lines that are no failures."""
    quiet = {statement.position for statement in case.statements if is_warning(statement)}
    announced = _announced(case)
    return replace(
        case,
        raised=tuple(each for each in case.raised if each.position not in announced and not _is_departure(each)),
        statements=tuple(each for each in case.statements if each.position not in quiet),
    )


def is_warning(statement: Statement) -> bool:
    """Return whether the program that wrote a line goes on after it."""
    return bool(_WARNING.match(statement.text) or _IGNORED.match(statement.text))


def _announced(case: Case) -> set[int]:
    """Return the positions of exceptions that were caught, as the line before or after their traceback says."""
    found = set()
    positions = [statement.position for statement in case.statements]
    begins = sorted(_begin(raised) for raised in case.raised)
    for raised in case.raised:
        number = bisect.bisect_left(positions, _begin(raised)) - 1
        later = bisect.bisect_right(begins, raised.position)
        end = begins[later] if later < len(begins) else len(case.text)
        following = bisect.bisect_right(positions, raised.position)
        after = case.statements[following].text if following < len(positions) and positions[following] < end else ""
        said = case.statements[number] if number >= 0 else None
        warned = said is not None and _warns_of(said, raised, case)
        if _goes_on(raised, after) or (said and warned and (_SPEAKS.search(said.text) or _is_alive(after))):
            found.add(raised.position)
    return found


def _goes_on(raised: Raised, after: str) -> bool:
    """Return whether a program says that it does without what failed; the line may look like a part of the message."""
    return bool(_INSTEAD.search(f"{raised.message.partition(chr(10))[2]}\n{after}"))


def _is_alive(after: str) -> bool:
    return bool(after) and not _OVER.search(after)


def _begin(raised: Raised) -> int:
    return min(each.position for each in raised.chain())


def _warns_of(said: Statement, raised: Raised, case: Case) -> bool:
    """Return whether a line is a warning, and the traceback of an exception stands below it."""
    if not is_warning(said) or _OF_PYTHON.match(said.text):
        return False
    between = case.text[said.position + len(said.text) : _begin(raised)]
    begins = between.lstrip().startswith(("Traceback (most", "+ Exception Group"))
    return begins and between.count("Traceback (most") <= 1 + _causes(raised)


def _causes(raised: Raised) -> int:
    return len(list(raised.chain())) - 1


def _is_departure(raised: Raised) -> bool:
    if raised.name in _ENDED:
        return True
    of_user = any(frame.owner is Owner.PROJECT for each in raised.chain() for frame in each.frames)
    return raised.name in _LEFT and bool(raised.frames) and not of_user
