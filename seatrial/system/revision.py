"""What git knows of a file: what it was at a revision, and whether it is ignored."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.system import process

_TIMEOUT = 60.0  # seconds; a repository that fetches what it lacks asks its remote
_KEPT = ("PATH", "HOME", "XDG_CONFIG_HOME")  # git reads from the home which folders of other users it may enter


def content_at(revision: str, file: Path) -> str | None:
    """Return the text of a file at a revision, such as `HEAD^1` or `origin/main`; None if it was not there.

    Raises:
        UsageError: there is no such revision, or no repository.
        EnvironmentFaultError: git is not installed.
    """
    if shutil.which("git") is None:
        raise EnvironmentFaultError("git is not installed", fix="install git, or give two locks")
    folder = file.resolve().parent
    code, printed = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if code != 0:
        raise UsageError(
            f"git knows no revision {revision} in {folder}: {printed.strip().splitlines()[-1:] or ['nothing said']}",
            fix="give a branch, a tag or a commit that this clone has; a shallow clone has only the newest",
        )
    commit = printed.strip()
    code, listed = _git(folder, "ls-tree", "--name-only", commit, "--", f"./{file.name}")
    if code != 0 or not listed.strip():
        return None
    code, text = _git(folder, "cat-file", "blob", f"{commit}:./{file.name}")
    return text if code == 0 else None


def ignored(folder: Path) -> tuple[str, ...]:
    """Return the files below a folder that git ignores and does not track, by their paths from it, sorted.

    There are none where there is no git, no repository, or no folder.
    """
    if not folder.is_dir() or shutil.which("git") is None:
        return ()
    flags = ("--others", "--ignored", "--exclude-standard", "-z")
    try:
        code, printed = _git(folder, "ls-files", *flags, "--", ".")
    except EnvironmentFaultError:  # it took too long
        return ()
    return tuple(sorted(filter(None, printed.split("\0")))) if code == 0 else ()


def _git(folder: Path, *arguments: str) -> tuple[int, str]:
    env = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C"}
    return process.output(["git", "-C", str(folder), *arguments], env=env, timeout=_TIMEOUT)
