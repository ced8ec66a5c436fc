"""Where in the project a failure is: the user's innermost frame, and the frames that lead to it as evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.diagnosis.envelopes import plain
from seatrial.diagnosis.exceptions import read
from seatrial.diagnosis.handled import failing
from seatrial.diagnosis.raised import Frame, Owner, Raised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.findings import Location
    from seatrial.project import Project

LINES = 12  # of a reduced traceback
_LONGEST = 400  # characters of an exception's line


def user_frames(text: str, project: Project) -> tuple[Location | None, list[str]]:
    """Reduce the Python tracebacks of a text to the frames of the project's code.

    Return the location of the innermost of them, and as evidence each frame with its source line, then the exception.
    Of several exceptions the first with such a frame counts.
    """
    found = read(plain(text), project)
    raised = sorted(found.raised, key=lambda each: min(link.position for link in each.chain()))
    # A stack that was printed where nothing was raised has frames all the same.
    reduced = [of(None, each) for each in raised] + [_reduced(stack) for stack in found.stacks]
    return next((each for each in reduced if each[0]), reduced[0] if reduced else (None, []))


def of(link: Raised | None, last: Raised) -> tuple[Location | None, list[str]]:
    """Return the place of an exception, and as evidence the user's frames, the exception, and how the chain ends.

    Without a `link`, the first cause in the chain that has a frame of the user is meant. If an exception has none,
    those of the ones that it led to are used, and then those of its causes.
    """
    chain = failing(last)
    first = chain.index(link) if link else len(chain) - 1
    order = [*chain[first::-1], *chain[first + 1 :]]
    shown = next((each for each in order if any(_is_users(frame) for frame in each.frames)), None)
    named = list(dict.fromkeys(said(each) for each in (link or shown or chain[-1], last)))
    location, lines = _reduced(shown.frames if shown else ())
    return location, [*lines, *named]


def _reduced(frames: Sequence[Frame]) -> tuple[Location | None, list[str]]:
    users = [frame for frame in frames if _is_users(frame)]
    lines = [line for frame in users for line in _lines(frame)]
    return next((frame.place for frame in reversed(users) if frame.place), None), lines[-LINES:]


def said(raised: Raised) -> str:
    """Return the line that names an exception, as Python prints it."""
    message = raised.message.partition("\n")[0]
    line = f"{raised.type}: {message}" if message else raised.type
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def at(frame: Frame) -> str:
    """Return the place of a frame in words: in the project, or as the log has it."""
    return str(frame.place) if frame.place else f"{frame.file}:{frame.line}"


def _is_users(frame: Frame) -> bool:
    return frame.owner is Owner.PROJECT


def _lines(frame: Frame) -> Iterator[str]:
    yield f"{at(frame)}, in {frame.function}" if frame.function else at(frame)
    if frame.source:
        yield f"    {frame.source}"
