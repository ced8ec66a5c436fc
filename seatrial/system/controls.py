"""Text of other programs without what a terminal obeys: escape sequences and other control characters."""

from __future__ import annotations

import re

_OBEYED = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])?|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)


def without(line: str) -> str:
    """Return a line that moves no cursor, rings no bell and changes no colour; tabs stay."""
    return _OBEYED.sub("", line)
