"""A margin before a whole traceback: the output of a build inside pip's, a text inside another."""

from __future__ import annotations

_HEADER = "Traceback (most recent call last):"


def removed(lines: list[str]) -> list[str]:
    """Return the lines without what indents a whole traceback."""
    margin = ""
    found = []
    for line in lines:
        if line.endswith(_HEADER):
            before = line[: -len(_HEADER)]
            margin = before if before.isspace() else ""
        if margin and line.startswith(margin):
            found.append(line[len(margin) :])
        else:
            margin = margin if margin and not line.strip() else ""
            found.append(line)
    return found
