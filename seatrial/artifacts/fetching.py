"""Fetch what artifacts.lock lists into the cache: only what is not there, and nothing that is not in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.artifacts import kept, transfer
from seatrial.artifacts.source import GoneError
from seatrial.findings import Stage, Step
from seatrial.project import Project
from seatrial.project.artifacts_lock import ArtifactsLock, Row
from seatrial.serving.bucket import Stored
from seatrial.system import cache
from seatrial.system.file_lock import acquire


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch did: the files and bytes of the artifacts, and how many bytes of them were moved."""

    files: int
    bytes: int
    moved: int


def fetch(project: Project) -> Stage[Fetched]:
    """Let the artifacts of Cloud Storage be a folder of the cache, `project.artifacts_dir`.

    Raises:
        UsageError: there is no artifacts.lock, or it is not of this folder.
        EnvironmentFaultError: the bucket does not give what it lists, or the disk is full.
    """
    lock = project.locked_artifacts
    if lock is None:
        return Fetched(0, 0, 0)
    root, moved = cache.artifacts_dir(), 0
    folder = kept.folder_of(root, lock)
    if not folder.is_dir():
        held = yield from acquire(root / "fetch.lock", "another run that fetches artifacts")
        try:
            if not folder.is_dir():
                moved = yield from _bring(root, lock)
                kept.assemble(root, lock)
                kept.prune(root, kept.KEPT_AT_MOST)
        finally:
            held.release()
    os.utime(folder)  # used now
    if not moved:
        yield Step(f"{len(lock.rows)} artifacts, {lock.size / 1e6:,.1f} MB, are in the cache")
    return Fetched(len(lock.rows), lock.size, moved)


def _bring(root: Path, lock: ArtifactsLock) -> Stage[int]:
    """Bring the files that are not kept; return their bytes."""
    missing = _missing(root, lock)
    size = sum(row.size for row in missing)
    if missing:
        yield Step(f"fetching {len(missing)} of {len(lock.rows)} artifacts, {size / 1e6:,.1f} MB, from {lock.uri}")
        _, prefix = transfer.place_of(lock.uri)
        try:
            yield from _bring_these(root, lock, [_stored(prefix, row) for row in missing])
        except GoneError:
            # The same bytes, uploaded once more, are of another generation, and as good.
            left = {f"{prefix}{row.path}": row for row in _missing(root, lock)}
            there = yield from transfer.listed(lock.uri)
            same = [each for each in there if each.name in left and _is_same(each, left[each.name])]
            if len(same) < len(left):
                raise
            yield from _bring_these(root, lock, same)
    return size


def _bring_these(root: Path, lock: ArtifactsLock, objects: Sequence[Stored]) -> Stage[None]:
    _, prefix = transfer.place_of(lock.uri)
    files = [transfer.file_for(root, lock.uri, each, lock.digests[each.name.removeprefix(prefix)]) for each in objects]
    yield from transfer.bring(root, lock.uri, files)


def _missing(root: Path, lock: ArtifactsLock) -> list[Row]:
    return [row for row in lock.rows if not kept.file_of(root, row.sha256).is_file()]


def _stored(prefix: str, row: Row) -> Stored:
    return Stored(f"{prefix}{row.path}", row.size, row.crc32c, row.generation, row.encoding)


def _is_same(there: Stored, row: Row) -> bool:
    return (there.size, there.crc32c, there.encoding) == (row.size, row.crc32c, row.encoding)
