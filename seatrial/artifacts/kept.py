"""The artifacts in the cache: each file once, by its digest, and folders of hard links, by the digest of the whole.

A folder is there whole or not at all, and nobody writes into it. Those that were used longest ago are removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from seatrial.project.artifacts_lock import ArtifactsLock

KEPT_AT_MOST = 4  # folders: the last models of a project or two


def file_of(root: Path, sha256: str) -> Path:
    """Return where a file is kept."""
    return root / "files" / sha256


def folder_of(root: Path, lock: ArtifactsLock) -> Path:
    """Return where a folder is kept."""
    return root / "folders" / lock.digest


def adopt(root: Path, file: Path, sha256: str) -> None:
    """Keep a finished file, which nobody changes from now on."""
    place = file_of(root, sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    file.chmod(0o444)
    file.replace(place)


def assemble(root: Path, lock: ArtifactsLock) -> None:
    """Make the folder of files that are all kept; nothing is copied where the cache has hard links."""
    folder = folder_of(root, lock)
    draft = folder.with_name(f".{folder.name}-draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        for row in lock.rows:
            target = draft / row.path
            target.parent.mkdir(parents=True, exist_ok=True)
            link(file_of(root, row.sha256), target)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def link(source: Path, target: Path) -> None:
    """Let a file be in another folder too."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextlib.contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Let no other run remove artifacts before the block ends."""
    with _held(root, exclusive=False):
        yield


def prune(root: Path, at_most: int = 0) -> None:
    """Remove the folders that were used longest ago, down to `at_most`, unless a run uses artifacts now."""
    if not root.is_dir():
        return
    with contextlib.suppress(BlockingIOError), _held(root, exclusive=True):
        folders = sorted((root / "folders").glob("[!.]*"), key=lambda each: each.stat().st_mtime, reverse=True)
        for folder in folders[at_most:]:
            shutil.rmtree(folder, ignore_errors=True)
        for file in (root / "files").glob("*"):
            if file.stat().st_nlink == 1:  # no folder has it
                file.unlink(missing_ok=True)
        if at_most == 0:
            shutil.rmtree(root / "parts", ignore_errors=True)


@contextlib.contextmanager
def _held(root: Path, *, exclusive: bool) -> Iterator[None]:
    import fcntl  # there is none on Windows, where `check` runs too

    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / "in-use", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
