"""What stands before each line of a traceback, whatever wrote it, and the processes that it tells apart.

Nothing here knows a tool: the header and the frames of a traceback show where the line of the process begins, and what
stands before it is taken off every line that begins alike. Digits, dates and levels may differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'^(?P<prefix>.*?)(?P<line>  File "[^"]+", line \d+(?:, in .+)?)$')
# What belongs to the line itself: groups of exceptions, quoted tracebacks.
_OWN = re.compile(r"^(?:[\s|+>]*|.*(?:Original|Exception Group|Remote) )$")
_AHEAD = 12  # lines after a header among which its first frame is
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL|trace|debug|info|warning|error|critical)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TOKEN = re.compile(rf"\b{_LEVEL}\b\s*|\b{_MONTH}\b|\b(?=\w*\d)[0-9a-f]{{6,}}\b|\d+|\s+|.", re.DOTALL)
_TIME = re.compile(
    rf"\d{{4}}-\d\d-\d\d(?:[T ,]+\d\d:\d\d:\d\d)?(?:[.,]\d+)?\s?(?:Z|UTC|[+-]\d\d:?\d\d)?|{_MONTH} +\d+ |\d\d:\d\d:\d\d"
    rf"(?:[.,]\d+)?|\d+\.\d+|\b{_LEVEL}\b|\w+\.py[:, ]+\d+"
)
_LARGEST = 300  # characters of a prefix
_SHAPES = 20


@dataclass(frozen=True, slots=True)
class _Shape:
    """How lines of one kind begin.

    Attributes:
        pattern: matches what stands before the line.
        everywhere: whether what looks like it is one outside of tracebacks too: it holds a number.
    """

    pattern: re.Pattern[str]
    everywhere: bool


@dataclass(frozen=True, slots=True)
class _Line:
    process: str
    text: str


def removed(lines: list[str]) -> list[str]:
    """Return the lines without what stands before them; those of each process together if they are mixed."""
    shapes = _shapes(lines)
    if not shapes:
        return [each for line in lines for each in (_header_apart(line) if _HEADER in line else (line,))]
    found: list[_Line] = []
    inside: _Shape | None = None
    for line in lines:
        shape, split = _split(line, shapes)
        if shape and (shape.everywhere or line.endswith(_HEADER) or inside is shape):
            inside = shape
            found.append(_Line(_process(line[:split]), line[split:]))
            continue
        inside = None
        process = found[-1].process if found else ""
        found += [_Line(process, each) for each in _header_apart(line)]
    return [line.text for line in _apart(found)]


def _shapes(lines: list[str]) -> list[_Shape]:
    shapes: dict[str, _Shape] = {}
    for number, line in enumerate(lines):
        prefix = _prefix(lines, number) if _HEADER in line or 'File "' in line else ""
        if prefix and len(shapes) < _SHAPES and not any(s.pattern.match(line) for s in shapes.values()):
            pattern = _pattern(prefix)
            shapes.setdefault(pattern, _Shape(re.compile(pattern), bool(re.search(r"\d", prefix))))
    return list(shapes.values())


def _prefix(lines: list[str], number: int) -> str:
    """Return what stands before a traceback's line; "" if it is no such line, or nothing does."""
    line = lines[number]
    if line.rstrip().endswith(_HEADER):
        prefix = line.rstrip()[: -len(_HEADER)]
        if _OWN.match(prefix) or len(prefix) > _LARGEST:
            return ""
        pattern = re.compile(_pattern(prefix))
        later = lines[number + 1 : number + 1 + _AHEAD]
        return prefix if any((m := pattern.match(each)) and _is_frame(each[m.end() :]) for each in later) else ""
    frame = _FRAME.match(line)
    if frame is None or _OWN.match(frame["prefix"]) or len(frame["prefix"]) > _LARGEST:
        return ""
    return str(frame["prefix"])


def _is_frame(line: str) -> bool:
    return line.startswith(('  File "', "  + Exception Group", '  |   File "'))


def _pattern(prefix: str) -> str:
    """Return what matches prefixes that differ from one only in numbers, dates and levels."""
    body, tail = prefix.rstrip(), prefix[len(prefix.rstrip()) :]
    parts = []
    for token in _TOKEN.findall(body):
        if re.match(rf"{_LEVEL}\s*$", token):
            parts.append(rf"{_LEVEL}\s*")
        elif re.fullmatch(_MONTH, token):
            parts.append(_MONTH)
        elif token.isdigit():
            parts.append(r"\d+")
        elif re.fullmatch(r"[0-9a-f]{6,}", token):
            parts.append(r"[0-9a-f]{6,}")
        elif token.isspace():
            parts.append(r"\s+")
        else:
            parts.append(re.escape(token))
    return f"{''.join(parts)}(?:{re.escape(tail)}|$)" if tail else "".join(parts)


def _split(line: str, shapes: list[_Shape]) -> tuple[_Shape | None, int]:
    """Return the longest shape that a line begins with, and where its text begins."""
    ends = [(found.end(), shape) for shape in shapes if (found := shape.pattern.match(line))]
    end, shape = max(ends, key=lambda each: each[0], default=(0, None))
    return shape, end


def _header_apart(line: str) -> list[str]:
    """Return the words before a header as a line of their own: a logger wrote them before the whole traceback."""
    before = line.rstrip().removesuffix(_HEADER) if line.rstrip().endswith(_HEADER) else ""
    return [before.rstrip(), _HEADER] if before and not _OWN.match(before) else [line]


def _process(prefix: str) -> str:
    """Return what of a prefix tells processes apart: no time, no level, no place in a source file."""
    return " ".join(_TIME.sub("", prefix).split())


def _apart(lines: list[_Line]) -> list[_Line]:
    """Return the lines of each process together, if one writes in the middle of another's traceback."""
    begun: set[str] = set()
    for before, line in zip([None, *lines], lines, strict=False):
        if before and before.process != line.process and before.process in begun and _goes_on(line, before):
            order = dict.fromkeys(each.process for each in lines)
            return [each for process in order for each in lines if each.process == process]
        if line.text.rstrip() == _HEADER:
            begun.add(line.process)
        elif line.text[:1].strip():
            begun.discard(line.process)
    return lines


def _goes_on(line: _Line, before: _Line) -> bool:
    """Return whether the traceback of the line before is not at its end, because it is no exception's line."""
    return before.text[:1].isspace() or before.text.rstrip() == _HEADER or line.text[:1].isspace()
