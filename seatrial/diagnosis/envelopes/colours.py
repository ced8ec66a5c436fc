"""Terminals: colours, links and what a progress bar wrote over."""

from __future__ import annotations

import re

_CODES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|[()][A-Z0-9])")


def removed(lines: list[str]) -> list[str]:
    """Return the lines without the codes of a terminal; of a line that was written over, what is seen at its end."""
    return [_seen(_CODES.sub("", line) if "\x1b" in line else line) for line in lines]


def _seen(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
