"""Entries of Cloud Logging as YAML, which is how `gcloud logging read` prints them.

Only what PyYAML writes for such entries is read: keys, indented blocks, and scalars in quotes over several lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seatrial.diagnosis.envelopes import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGIN = re.compile(r"^(?:insertId|jsonPayload|textPayload|protoPayload|logName):")
_KEY = re.compile(r"^(?P<indent> *)(?:- )?(?P<key>[\w.@/-]{1,100}):(?: (?P<value>.*))?$")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "0": "\0"}


def unwrapped(lines: list[str]) -> list[str]:
    """Return the texts of the entries, the oldest first, and the lines before them."""
    if not any(_BEGIN.match(line) for line in lines):
        return lines
    first = next(number for number, line in enumerate(lines) if _BEGIN.match(line) or line.rstrip() == "---")
    documents = [_entry(document) for document in _split(lines[first:])]
    return lines[:first] + entries.in_order([entry for entry in documents if entry])


def _split(lines: list[str]) -> Iterator[list[str]]:
    document: list[str] = []
    for line in lines:
        if line.rstrip() == "---":
            yield document
            document = []
        else:
            document.append(line)
    yield document


def _entry(lines: list[str]) -> dict[str, Any]:
    """Return the scalars of an entry: those of `jsonPayload` below it, and all that have no parent."""
    entry: dict[str, Any] = {}
    parent, at = "", 0
    while at < len(lines):
        found = _KEY.match(lines[at])
        at += 1
        if found is None:
            continue
        indent, key, value = len(found["indent"]), found["key"], (found["value"] or "").strip()
        inside, after = _below(lines, at, indent)
        if indent == 0:
            parent = key
        if not value:
            continue
        at = after
        holder = entry.setdefault(parent, {}) if indent else entry
        if isinstance(holder, dict):
            holder.setdefault(key, _scalar(value, inside))
    return entry


def _below(lines: list[str], at: int, indent: int) -> tuple[list[str], int]:
    """Return the lines that are indented more than a key, and where they end."""
    end = at
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
        end += 1
    return lines[at:end], end


def _scalar(value: str, below: list[str]) -> str:
    if value[0] in "|>":
        first = next((line for line in below if line.strip()), "")
        indent = int(value[1:].strip("+-") or len(first) - len(first.lstrip()))
        return "\n".join(line[indent:] for line in below).rstrip("\n")
    whole = _folded([value, *(line.strip() for line in below)])
    if value[0] == '"':
        return _ESCAPE.sub(_escaped, whole[1:].removesuffix('"'))
    return whole[1:].removesuffix("'").replace("''", "'") if value[0] == "'" else whole


def _folded(parts: list[str]) -> str:
    """Join the lines of a scalar: a break is a space, an empty line is a break, a backslash joins without either."""
    text = parts[0]
    empty = 0
    for part in parts[1:]:
        if not part:
            empty += 1
        elif text.endswith("\\") and not text.endswith("\\\\"):
            text, empty = text[:-1] + part, 0
        else:
            text, empty = text + ("\n" * empty or " ") + part, 0
    return text


def _escaped(found: re.Match[str]) -> str:
    number = found[1] or found[2]
    return chr(int(number, 16)) if number else _NAMED.get(found[3], found[3])
