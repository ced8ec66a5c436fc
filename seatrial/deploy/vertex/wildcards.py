"""Wildcards in the URIs of Cloud Storage, as the input of a batch prediction may have them.

GcsSource refers to https://cloud.google.com/storage/docs/wildcards for what they mean: only `**` goes on over a slash.
"""

from __future__ import annotations

import re

_WILDCARD = re.compile(r"\*\*|\*|\?|\[[^]]+\]")
_MEANS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def prefix(name: str) -> str:
    """Return what the names of all objects that a name with wildcards stands for begin with."""
    return _WILDCARD.split(name, maxsplit=1)[0]


def pattern(name: str) -> re.Pattern[str]:
    """Return what the full names of these objects match."""
    parts, at = [], 0
    for found in _WILDCARD.finditer(name):
        parts += [re.escape(name[at : found.start()]), _MEANS.get(found[0]) or _one_of(found[0][1:-1])]
        at = found.end()
    return re.compile("".join(parts) + re.escape(name[at:]), re.DOTALL)


def _one_of(text: str) -> str:
    """Return a pattern of one of some characters, among which `a-e` is a range."""
    characters = re.sub(
        r"(.)-(.)", lambda ends: "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1))), text, flags=re.DOTALL
    )
    return f"[{re.escape(characters)}]" if characters else "(?!)"
