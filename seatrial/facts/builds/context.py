"""What a build context holds, and what is in Git LFS: by the names of files and the patterns for them."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_AT_MOST = 20_000  # files


def context(root: Path) -> Iterator[str]:
    """Yield the files of the build context that .dockerignore leaves in, by name only."""
    ignored = _ignored(root)
    seen = 0
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root).as_posix()
        prefix = "" if here == "." else f"{here}/"
        skipped = {".git", "node_modules", "__pycache__", "build"}
        folders[:] = sorted(f for f in folders if f not in skipped and not (Path(folder) / f / "pyvenv.cfg").exists())
        for name in sorted(names):
            seen += 1
            if seen > _AT_MOST:
                return
            if not ignored(prefix + name):
                yield prefix + name


def leaves_out(root: Path, path: str) -> bool:
    """Return whether .dockerignore certainly leaves a file or folder out as a whole."""
    ignored = _ignored(root)
    return (root / path).exists() and ignored(posixpath.normpath(path)) and not ignored.keeps


class _Ignored:
    """The patterns of a .dockerignore: the last that matches a path or a folder above it decides."""

    # Not pathspec: its `foo` matches at any depth, as Git's does, and Docker's only at the root.
    def __init__(self, lines: list[str]) -> None:
        self._patterns = []
        self.keeps = any(line.strip().startswith("!") for line in lines)
        for line in lines:
            text = line.strip()
            if text and not line.startswith("#"):
                kept = text.startswith("!")
                pattern = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
                with contextlib.suppress(re.error):  # Docker refuses it
                    self._patterns.append((not kept, re.compile(_as_regex(pattern))))

    def __call__(self, path: str) -> bool:
        ignored = False
        for ignores, pattern in self._patterns:
            if pattern.match(path):
                ignored = ignores
        return ignored


def _ignored(root: Path) -> _Ignored:
    try:
        text = (root / ".dockerignore").read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        text = ""
    return _Ignored(text.splitlines()[:1000])


_SPECIAL = re.compile(
    r"(?P<rest>\*\*/?$)|(?P<folders>(?:\*\*/?)+)|\*|\?|\[(?P<not>\^?)(?P<set>(?:\\.|[^\]\\])+)\]|\\(?P<escaped>.)"
)


def _as_regex(pattern: str) -> str:
    """Translate a pattern of .dockerignore: `**` crosses folders, `*` and `?` do not."""
    if re.fullmatch(r"\*\*[^/*?\[\]\\][^*?\[\]\\]*", pattern):
        return f".*{re.escape(pattern[2:])}(?:/|$)"  # Docker compares the end only: `**key` matches `my.key`
    regex, at = "", 0
    for found in _SPECIAL.finditer(pattern):
        regex += re.escape(pattern[at : found.start()]) + _special(found)
        at = found.end()
    return f"{regex}{re.escape(pattern[at:])}(?:/|$)"


def _special(found: re.Match[str]) -> str:
    if found["rest"]:
        return ".*"
    if found["folders"]:
        return "(?:.*/)?"
    if found["set"]:
        members = re.findall(r"\\?.", found["set"])
        return f"[{found['not']}{''.join(m if m == '-' else re.escape(m[-1]) for m in members)}]"
    if found["escaped"]:
        return re.escape(found["escaped"])
    return "[^/]*" if found[0] == "*" else "[^/]"


def in_lfs(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield those of some paths that a .gitattributes of the project or of their own folder gives to Git LFS."""
    for path in paths:
        folder, name = posixpath.split(path)
        for place, below in (("", path), (folder, name)):
            patterns = _lfs_patterns(root / place / ".gitattributes")
            if any(re.fullmatch(_as_regex(p.lstrip("/")), below if "/" in p else name) for p in patterns):
                yield path
                break


def _lfs_patterns(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()[:1000]
    except OSError:
        return []
    return [words[0] for line in lines if (words := line.split()) and "filter=lfs" in words and words[0][0] != "#"]
