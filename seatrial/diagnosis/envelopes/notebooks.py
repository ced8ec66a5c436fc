"""Tracebacks of IPython: of notebooks, papermill and IPython's shell, turned into what Python would have printed.

IPython names the exception before its traceback, shows lines around the one that ran, and marks that one by an arrow.
Its releases write the place of a frame in different ways; a cell is a file of the user's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = re.compile(r"^(?P<margin>\s*)(?P<type>[A-Za-z_]\w*)\s+Traceback \(most recent call last\):?\s*$")
_RULE = re.compile(r"^\s*-{20,}\s*$")
_LINK = re.compile(r"\[(?P<text>[^\n]+?)\]\([^()\s]*\)")  # Colab and VS Code print places as links
_CELL = re.compile(
    r"^(?:Cell|Input) In ?\[(?P<cell>\d+|\*| )\](?:, line (?P<line>\d+))?(?:, in (?P<function><[^>]*>|[\w.<>]+))?"
)
_FILE = re.compile(r"^File (?P<file>[^\s\"][^\n]*?):(?P<line>\d+)(?:,? in (?P<function><[^>]*>|[\w.<>]+))?")
_OLDER = re.compile(
    r"^(?P<file>(?:[~/]|[A-Za-z]:\\|<ipython-input|\.{1,2}/)[^\n]*?) in (?P<function><[^>]*>|[\w.<>]+)(?:\(.*\)?)?$"
)
_ARROW = re.compile(r"^-+> ?(?P<line>\d+)?(?P<source>[^\n]*)$")
_AROUND = re.compile(r"^\s*\d+(?:\s|$)|^\s*\(\.\.\.\)$|^\[?\.\.\. skipping|^\[\.\.\.")
# A syntax error has a frame without a header.
_ALONE = re.compile(
    r"^  (?:File (?P<file>[^\s\"][^\n]*?):(?P<line>\d+)|(?:Cell|Input) In ?\[(?P<cell>\d+)\](?:, line (?P<at>\d+))?)"
    r"(?: in (?P<function>[\w.<>]+))?(?:\([^\n]*)?$"
)


def unwrapped(lines: list[str]) -> list[str]:
    """Return the lines with Python's tracebacks in place of IPython's."""
    found: list[str] = []
    at = 0
    while at < len(lines):
        header = _HEADER.match(lines[at])
        if header is None:
            found.append(_alone(lines[at]))
            at += 1
            continue
        if found and _RULE.match(found[-1]):
            found.pop()
        margin = header["margin"]
        end = _end(lines, at + 1, margin)
        inside = [line.removeprefix(margin) for line in lines[at + 1 : end]]
        found += ["Traceback (most recent call last):", *_frames(inside)]
        at = end
        if margin and at < len(lines):  # the line that names the exception
            found.append(lines[at].removeprefix(margin))
            at += 1
    return found


def _end(lines: list[str], at: int, margin: str) -> int:
    """Return where the frames end: at the first line that is neither one nor the source around it."""
    while at < len(lines):
        line = _LINK.sub(r"\g<text>", lines[at].removeprefix(margin))
        belongs = not line.strip() or any(p.match(line) for p in (_CELL, _FILE, _OLDER, _ARROW, _AROUND))
        if not belongs:
            break
        at += 1
    return at


def _frames(inside: list[str]) -> Iterator[str]:
    """Yield each frame and the line that ran, as Python prints them."""
    place: tuple[str, str, str] | None = None  # file, line and function of a frame that was not yet yielded
    for raw in inside:
        line = _LINK.sub(r"\g<text>", raw)
        if arrow := _ARROW.match(line):
            if place:
                yield _frame(place[0], place[1] or arrow["line"] or "1", place[2])
                yield f"    {arrow['source'].strip()}"
            place = None
        elif heading := _heading(line):
            if place:
                yield _frame(place[0], place[1] or "1", place[2])
            place = heading
    if place:
        yield _frame(place[0], place[1] or "1", place[2])


def _heading(line: str) -> tuple[str, str, str] | None:
    if cell := _CELL.match(line):
        return f"<ipython-input-{cell['cell'].strip()}>", cell["line"] or "", cell["function"] or ""
    if file := _FILE.match(line):
        return file["file"], file["line"], file["function"] or ""
    if older := _OLDER.match(line):
        return older["file"], "", older["function"]
    return None


def _frame(file: str, line: str, function: str) -> str:
    name = "<module>" if not function or function.startswith("<cell line") else function.rpartition(".")[2]
    return f'  File "{file}", line {line}, in {name}'


def _alone(line: str) -> str:
    found = _ALONE.match(line)
    if found is None:
        return line
    file = found["file"] or f"<ipython-input-{found['cell']}>"
    function = f", in {found['function']}" if found["function"] else ""
    return f'  File "{file}", line {found["line"] or found["at"] or 1}{function}'
