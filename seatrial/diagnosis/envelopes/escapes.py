r"""A traceback as one text: with `\n` for the ends of its lines, as in a quoted field or the repr of a message."""

from __future__ import annotations

import re

_BEGIN = re.compile(r"Traceback \(most recent call last\):(?P<end>\\+n)\s+(?:\+|\||File )")
_ESCAPE = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\'": "'"}


def expanded(lines: list[str]) -> list[str]:
    """Return the lines with such texts as lines of their own."""
    return [each for line in lines for each in _expanded(line)]


def _expanded(line: str) -> list[str]:
    found = _BEGIN.search(line) if "\\n" in line else None
    if found is None:
        return [line]
    before, text = line[: found.start()], line[found.start() :]
    slashes = len(found["end"]) - 1  # more of them in a text that was quoted twice
    for escape, meaning in _ESCAPE.items():
        text = text.replace("\\" * (slashes - 1) + escape, meaning)
    if quote := before[-1:].strip(" =:([{"):
        text = text.rpartition(quote)[0] or text
    return [*([before] if before.strip(" \"'") else []), *text.split("\n")]
