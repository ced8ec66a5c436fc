"""One JSON object a line: what the serving runtime, docker and structured logging write."""

from __future__ import annotations

import json
from typing import Any

from seatrial.diagnosis.envelopes import entries


def unwrapped(lines: list[str]) -> list[str]:
    """Return the lines with the texts of objects in their place; neighbouring objects in the order of their times."""
    found: list[str] = []
    run: list[Any] = []
    for line in lines:
        value = _object(line) if line.startswith("{") else None
        if value is not None:
            run.append(value)
            continue
        if run:
            found += entries.in_order(run)
            run = []
        found.append(line)
    return found + entries.in_order(run)


def _object(line: str) -> Any:
    """Return the object that a line is, if a person would read anything of it."""
    if not line.rstrip().endswith("}"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if any(entries.texts(value, entries.DEPTH)) else None
