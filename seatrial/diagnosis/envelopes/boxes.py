"""Tracebacks in a box, as rich draws them: turned into what Python would have printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOP = re.compile(r"^\s*[╭┌+][─━-]+ Traceback \(most recent call last\) [─━-]+[╮┐+]\s*$")
_BOTTOM = re.compile(r"^\s*[╰└+][─━-]+[╯┘+]\s*$")
_SIDE = re.compile(r"^\s*[│┃|] ?(?P<inside>.*?)\s*[│┃|]\s*$")
_FRAME = re.compile(r"^(?P<file>\S.*?):(?P<line>\d+) in ?(?P<function>\S+)$")
_SOURCE = re.compile(r"^\s*(?P<mark>[❱>])?\s*\d+ [│┃|](?P<source>.*)$")
_GUIDES = re.compile(r"^(?:[\s│┃|]*)")  # that rich draws for each indent


def unboxed(lines: list[str]) -> list[str]:
    """Return the lines with tracebacks in place of their boxes."""
    found: list[str] = []
    at = 0
    while at < len(lines):
        if not _TOP.match(lines[at]):
            found.append(lines[at])
            at += 1
            continue
        end = next((n for n in range(at + 1, len(lines)) if _BOTTOM.match(lines[n])), len(lines))
        inside = [side["inside"] for line in lines[at + 1 : end] if (side := _SIDE.match(line))]
        found += ["Traceback (most recent call last):", *_frames(inside)]
        at = end + 1
    return found


def _frames(inside: list[str]) -> Iterator[str]:
    heading = ""
    for line in inside:
        source = _SOURCE.match(line)
        if source:
            heading = ""
            if source["mark"]:
                yield f"    {_GUIDES.sub('', source['source'])}"
        elif not line.strip():
            heading = ""
        else:  # the place of a frame may be too long for one line of the box
            heading += f" {line.strip()}" if heading.endswith(" in") else line.strip()
            if frame := _FRAME.match(heading):
                yield f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}'
