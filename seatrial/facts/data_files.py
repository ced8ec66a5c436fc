"""The files that `package-data` names: what the project has, never what a build or another program left behind.

Otherwise `**/*` would take the last build into the next one, and what ships would depend on what ran before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.project import Project

_MADE = ("__pycache__", ".git", ".hg", ".svn", ".nox", ".tox")
_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG")  # of environments, and of caches: https://bford.info/cachedir/


def matched(project: Project, pattern: str) -> list[Path]:
    """Return the files that a pattern of `package-data` matches.

    Raises:
        UsageError: the pattern is not a glob.
    """
    try:
        found = list(project.root.glob(pattern))
    except (ValueError, NotImplementedError) as error:  # what pathlib raises for an empty and for an absolute pattern
        raise UsageError(f"`package-data` has {pattern}, which is not a glob: {error}") from None
    made: dict[Path, bool] = {project.root: False, project.build_dir: True}
    return [path for path in found if path.is_file() and not _is_made(path.parent, made)]


def _is_made(folder: Path, known: dict[Path, bool]) -> bool:
    """Return whether a folder, or one that it is in, was made by a program."""
    if folder not in known:
        itself = folder.name in _MADE or folder.name.endswith(".egg-info") or any((folder / m).exists() for m in _MARKS)
        known[folder] = itself or _is_made(folder.parent, known)
    return known[folder]
