"""What pages for people show: files to write, and commands with what they print."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([^`\s]+)`:\n+\Z")
_COMMENT = re.compile(r"\s{2,}#.*")
_MEANWHILE = re.compile(r"  [a-z ]+ +[\d.]+ s  still ")  # a line that only a slow machine prints


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: console, python, …
        text: what is in it.
        file: the file that it is, by the end of the sentence before it, such as `train.py`:; "" if that names none.
    """

    language: str
    text: str
    file: str


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the lines that the page shows below it."""

    line: str
    prints: tuple[str, ...]


def section(page: Path, heading: str = "") -> str:
    """Return what is below a heading, up to the next of its level or a higher one; with no heading the whole page."""
    text = page.read_text(encoding="utf-8")
    if not heading:
        return text
    bare = re.sub(r"(?ms)^```.*?^```", lambda fence: re.sub(r"[^\n]", " ", fence[0]), text)  # no comment is a heading
    start = bare.index(f"\n{heading}\n") + 1
    level = len(heading) - len(heading.lstrip("#"))
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(bare, start + len(heading))
    return text[start : end.start() if end else None]


def blocks(text: str) -> list[Block]:
    """Return the blocks of code in a text, in its order."""
    found = []
    for fence in _FENCE.finditer(text):
        named = _FILE.search(text[: fence.start()]) if fence[1] != "console" else None
        found.append(Block(fence[1], fence[2], named[1] if named else ""))
    return found


def commands(text: str) -> list[Command]:
    """Return the commands of the console blocks in a text, in its order; what is behind a `#` is for the reader."""
    found: list[Command] = []
    for block in blocks(text):
        if block.language != "console":
            continue
        for each in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, *prints = each.splitlines()
            found.append(Command(_COMMENT.sub("", line), tuple(line for line in prints if line.strip())))
    return found


def write_files(text: str, folder: Path) -> None:
    """Write the files that a text shows."""
    for block in blocks(text):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, encoding="utf-8")


def run(command: Command, folder: Path, environment: Mapping[str, str], code: int = 0) -> None:
    """Run a command as a reader does; it must end with a code, and print what the page shows."""
    done = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert done.returncode == code, f"$ {command.line}\n{done.stdout}"
    compare(command, done.stdout)


def compare(command: Command, told: str) -> None:
    """Hold what a command printed against the page: numbers and digests differ between runs, `…` is anything."""
    if command.prints:
        lines = [line for line in told.splitlines() if line.strip() and not _MEANWHILE.match(line)]
        pattern = "\n".join(map(_pattern, command.prints))
        assert re.fullmatch(pattern, "\n".join(lines)), f"$ {command.line}\n{told}"


def _pattern(line: str) -> str:
    """Return what a line is like that a page shows. What a stage says depends on what earlier runs have left."""
    if line.strip() == "…":
        return r"(?:.*\n)*?.*"
    stage = re.match(r"  ([a-z]+) +[\d.]+ s  ", line)
    if stage:
        return rf"  {stage[1]} +[\d.]+ s  .*"
    text = re.escape(re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", line))
    return re.sub(r"\d[\d,.]*", r"\\d[\\d,.]*", text).replace("DIGEST", "[0-9a-f]{12}").replace("…", ".*")
