"""Logs as text: reads the end of a log of any size, and takes off what tools write around the lines of a process.

It knows JSON lines as the serving runtime, docker and Cloud Logging write them, whole answers of the cloud as JSON,
and the marks that workflows and compose put before each line. Nothing is judged here.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

LARGEST = 8_000_000  # bytes that are read of a log: its end, which tells why a process ended
LINE = 8_000  # characters of a line that are kept; what is longer is data, such as an image in base64
_CHUNK = 1_000_000
# Where objects of logs and of the cloud keep what a person would read; what comes first was written first.
_TEXTS = (
    "message", "msg", "log", "textPayload", "text", "error", "errors", "detail", "details", "traceback", "exc_info",
    "exception", "stack_trace", "stackTrace", "jsonPayload", "protoPayload", "status", "partialFailures",
    "genericMetadata", "metadata", "reason", "description", "response", "entries",
)  # fmt: skip
_DEPTH = 8  # of objects in objects
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# `2026-11-22T20:48:24.1234567Z ` of a workflow's log, `server-1  | ` of compose, `gcloud`'s and kubectl's time stamps.
_MARK = re.compile(
    r"(?:[\w.-]{1,60} {1,8}\| )?(?:\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]{0,10}(?:Z|[+-]\d\d:\d\d) )?"
)
_HEADER = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Log:
    """What was read of a log: its last `read` bytes of `size`, as text without what was around its lines."""

    text: str
    size: int
    read: int

    @property
    def lines(self) -> int:
        """How many lines there are to look at."""
        return self.text.count("\n") + bool(self.text)


def read(stream: BinaryIO) -> Log:
    """Read the end of a log; if it cannot seek, as a pipe cannot, all of it is read on the way.

    Raises:
        OSError: it cannot be read.
    """
    head, content, size = _end(stream)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"  # PowerShell's `>` writes UTF-16
    if encoding == "utf-16" and size > len(content):
        content = head[:2] + content[(size - len(content)) % 2 :]
    if size > len(content):
        content = content[content.find(b"\n") + 1 :] if encoding == "utf-8" else content
    return Log(plain(content.decode(encoding, errors="replace")), size, min(size, LARGEST))


def _end(stream: BinaryIO) -> tuple[bytes, bytes, int]:
    """Return the first bytes of a stream, the last `LARGEST`, and how many there are."""
    if stream.seekable():
        head = stream.read(2)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - LARGEST))
        return head, stream.read(LARGEST), size
    size, kept, head = 0, bytearray(), b""
    while chunk := stream.read(_CHUNK):
        head = head or chunk[:2]
        size += len(chunk)
        kept += chunk
        if len(kept) > 2 * LARGEST:
            del kept[:-LARGEST]
    return head, bytes(kept[-LARGEST:]), size


def plain(text: str) -> str:
    """Return a log as a process wrote it: JSON unwrapped, marks and colours taken off, lines of data shortened."""
    text = text.removeprefix("\ufeff")
    whole = _document(text)
    lines = whole if whole is not None else _unwrapped(text)
    return "\n".join(_shortened(line) for line in _without_margin(lines))


def _document(text: str) -> list[str] | None:
    """Return the texts of a log or an answer that is one JSON document of several lines; None if it is not."""
    begin = text.lstrip()[:1]
    if begin not in ("{", "[") or "\n" not in text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [line for found in _texts(value, _DEPTH) for line in found.splitlines()] or None


def _unwrapped(text: str) -> Iterator[str]:
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    for line in io.StringIO(text, newline=None):
        line = line.rstrip("\n")
        mark = _MARK.match(line)
        if mark and mark.end():
            line = line[mark.end() :]
        if line.startswith("{") and line.rstrip().endswith("}"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if found := list(_texts(value, _DEPTH)):
                yield from "\n".join(found).splitlines()
                continue
        yield line


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Yield what a person would read of JSON data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for each in value:
            yield from _texts(each, depth - 1)
    elif isinstance(value, dict) and depth:
        for key in _TEXTS:
            if key in value:
                yield from _texts(value[key], depth - 1)


def _without_margin(lines: Iterator[str] | list[str]) -> Iterator[str]:
    """Take off what indents a whole traceback: the output of a build inside pip's, a block of YAML."""
    margin = ""
    for line in lines:
        if line.endswith(_HEADER):
            before = line[: -len(_HEADER)]
            margin = before if before.isspace() else ""
        if margin and line.startswith(margin):
            yield line[len(margin) :]
        else:
            margin = margin if margin and not line.strip() else ""
            yield line


def _shortened(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE // 2]} … {line[-LINE // 2 :]}"
