"""The line of a file that a finding points at, if a report may show it."""

from __future__ import annotations

from pathlib import Path

from seatrial.findings import Location
from seatrial.system.redaction import redacted


def line_of(root: Path, location: Location) -> str | None:
    """Return the line, with spaces for tabs; None if it is not there, not in the project, or holds a password."""
    if location.line is None:
        return None
    try:
        file = (root / location.path).resolve()
        if not file.is_relative_to(root.resolve()):
            return None  # of a file that is not the project's nothing is shown, whoever names it or links to it
        lines = file.read_text(encoding="utf-8").split("\n")  # as Python counts lines
    except (OSError, RuntimeError, ValueError):  # RuntimeError: links that form a circle
        return None
    if not 0 < location.line <= len(lines):
        return None
    line = lines[location.line - 1].replace("\t", " ")
    return line if redacted(line) == line else None
