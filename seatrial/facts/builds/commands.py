"""Commands of gcloud and docker in a text, with their words as a shell would see them.

A word that only a shell could expand is kept as it is written, so whoever compares it with a value finds no match.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = re.compile(r"(?<![\w./-])(?:sudo\s+)?(?P<name>gcloud|docker|podman|buildah|skopeo|crane)(?=\s)")
_ENDS = re.compile(r"&&|\|\||[;|]|\s#")


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its words, the program first, and the line where it begins."""

    words: tuple[str, ...]
    location: Location

    def runs(self, *words: str) -> bool:
        """Return whether it begins with these words, flags and release tracks (`beta`) between them left out."""
        plain = [w for w in self.words if not w.startswith("-") and w not in ("alpha", "beta", "image", "container")]
        return tuple(plain[: len(words)]) == words

    def option(self, name: str) -> str | None:
        """Return the value of an option, written as `--name=value` or `--name value`; None if it is not given."""
        for number, word in enumerate(self.words):
            if word == name:
                return self.words[number + 1] if number + 1 < len(self.words) else ""
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return None


def commands(path: str, text: str, *, first: int = 1) -> Iterator[Command]:
    """Yield the commands in a text that begins at a line."""
    begin, joined = first, ""
    for number, raw in enumerate(text.splitlines(), start=first):
        line = raw.strip()
        if line.startswith("#") and not joined:
            continue
        begin = begin if joined else number
        joined = f"{joined} {line.removesuffix(chr(92)).strip()}".strip()
        if not line.endswith("\\"):
            yield from _in_line(joined, Location(path, begin))
            joined = ""
    yield from _in_line(joined, Location(path, begin))


def _in_line(line: str, place: Location) -> Iterator[Command]:
    for found in _PROGRAMS.finditer(line):
        rest = _ENDS.split(line[found.start("name") :], maxsplit=1)[0]
        try:
            words = shlex.split(rest)
        except ValueError:
            words = rest.split()
        if words:
            yield Command(tuple(words), place)
