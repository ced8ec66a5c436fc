"""Which exceptions of a chain tell of the failure: not those that the code had only tried, and then went on without.

Python prints `During handling of the above exception` in two situations. An `except` block that raises tells its
exception in other words, and the first one is the cause. An `except` block that tries another way, which fails too, had
dealt with the first one: a missing optional module, a name that is not in a cache. The frames tell them apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.diagnosis.raised import Frame, Raised

# What code tries in order to find out whether something is there. Others are failures also where they are caught.
_PROBES = frozenset(
    (
        "AttributeError", "FileNotFoundError", "ImportError", "IndexError", "KeyError", "LookupError",
        "ModuleNotFoundError", "NameError", "StopIteration",
    )
)  # fmt: skip
# What ends a program because of what it caught, or only cleans up after it.
_ENDING = frozenset(("CalledProcessError", "SystemExit"))
_RAISING = re.compile(
    r"raise|error|fail|wrap|abort|handle|exc|__exit__|__del__|clos|clean|shutdown|stop|finish|finally"
)
_QUOTED = 30  # characters of a message that another one repeats


def failing(last: Raised) -> list[Raised]:
    """Return an exception and what it follows from, without what was only handled; the first cause last."""
    links = []
    for link in last.chain():
        links.append(link)
        if link.cause is not None and link.while_handling and _went_on(link, link.cause):
            break
    return links


def _went_on(later: Raised, earlier: Raised) -> bool:
    """Return whether the block that caught an exception was trying another way when a later one was raised."""
    if earlier.name not in _PROBES or later.name in _ENDING:
        return False
    if earlier.message and earlier.message[:_QUOTED] in later.message:
        return False
    tried, below = _in_the_block(later, earlier)
    if tried is None:
        return False
    if not below:  # raised by a line of the block itself
        return bool(tried.source) and not tried.source.startswith("raise")
    return not _RAISING.search(below[0].function.lower())


def _in_the_block(later: Raised, earlier: Raised) -> tuple[Frame | None, tuple[Frame, ...]]:
    """Return the frame of the function that caught an exception, and the frames below it; None if it is not there.

    The traceback of what was caught begins in that function, at a line of its `try`.
    """
    if not earlier.frames:
        return None, ()
    caught = earlier.frames[0]
    for number in range(len(later.frames) - 1, -1, -1):
        frame = later.frames[number]
        if (frame.file, frame.function) == (caught.file, caught.function) and frame.line > caught.line:
            return frame, later.frames[number + 1 :]
    return None, ()
