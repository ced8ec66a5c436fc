"""A JSON document of several lines: entries of Cloud Logging, an operation, an answer."""

from __future__ import annotations

import json
from typing import Any

from seatrial.diagnosis.envelopes import entries

_BEGINNINGS = ("{", "[", "[{")  # of documents that are indented
_ATTEMPTS = 50  # at documents that turn out to be none


def unwrapped(lines: list[str]) -> list[str]:
    """Return the texts of the documents in their place.

    A document that is not the whole text is one only if it holds entries of Cloud Logging: a server prints answers too.
    """
    found: list[str] = []
    at, attempts = 0, 0
    while at < len(lines):
        told, end = [], at
        if lines[at].rstrip() in _BEGINNINGS and attempts < _ATTEMPTS:
            value, end = _decoded(lines, at)
            around = lines[:at] + lines[end:]
            told = _lines(value, whole=not any(line.strip() for line in around)) if end > at else []
            attempts += not told
        found += told or lines[at : at + 1]
        at = end if told else at + 1
    return found


def _decoded(lines: list[str], at: int) -> tuple[Any, int]:
    """Return the document that begins at a line, and the line after it; the same line if there is none."""
    text = "\n".join(lines[at:])
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return None, at
    return value, at + text.count("\n", 0, end) + 1


def _lines(value: Any, *, whole: bool) -> list[str]:
    inside = value.get("entries") if isinstance(value, dict) else value
    listed = inside if isinstance(inside, list) else [value]
    if any(entries.is_entry(each) for each in listed):
        return entries.in_order(listed)
    return list(entries.lines_of(value)) if whole else []
