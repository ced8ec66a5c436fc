"""Files of a project that look like credentials, by name and by their first bytes, if they would be published.

Names are looked at everywhere in what ships; content only in files that are not Python source.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.system import credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.project import Project

_BYTECODE = "__pycache__"


def in_package(project: Project, artifacts: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """Return the files that would ship or lie beside what ships: (path, whether its name alone says it).

    `artifacts` are the paths in the artifacts folder that ship.
    """
    files = {path for package in project.packages for path in _below(project.root / package)}
    for pattern in project.package_data:
        files.update(path for path in project.root.glob(pattern) if path.is_file())
    files.update(project.artifacts_dir / path for path in artifacts)
    found: list[tuple[str, bool]] = []
    is_secret_name = functools.cache(credentials.is_secret_name)  # many paths share their folders
    for file in sorted(files):
        shown = file.relative_to(project.root).as_posix() if file.is_relative_to(project.root) else str(file)
        if any(is_secret_name(part) for part in shown.split("/")):
            found.append((shown, True))
        elif file.suffix != ".py" and credentials.mentions_secret(_head(file)):
            found.append((shown, False))
    return tuple(found)


def in_context(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of a build context's paths that have the name of a credential file."""
    return tuple(path for path in paths if credentials.is_secret_name(path.rsplit("/", 1)[-1]))


def listed(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it."""
    for file in _below(folder):
        yield file.relative_to(folder).as_posix()


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (_BYTECODE, ".git")]
        yield from (Path(place) / name for name in names)


def _head(file: Path) -> bytes:
    if not file.is_file():
        return b""  # a pipe never answers, and a device never ends
    try:
        with file.open("rb") as opened:
            return opened.read(credentials.LOOKED_AT)
    except OSError:
        return b""
