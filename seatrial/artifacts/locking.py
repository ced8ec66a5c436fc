"""Write artifacts.lock: what a folder of Cloud Storage holds now, as a bundle would take it.

What training's own manifest lists is locked, if the folder has one; else every file. An object that the former lock has
is not read again, because every upload gives another generation. New ones are brought, and are in the cache then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.artifacts import kept, transfer
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Stage, Step
from seatrial.project import Project, artifacts_lock
from seatrial.project.artifacts_lock import ArtifactsLock, Row
from seatrial.serving import storage
from seatrial.serving.bucket import StorageError, Stored
from seatrial.serving.storage import MANIFEST, File
from seatrial.system import cache, files
from seatrial.system.file_lock import acquire


@dataclass(frozen=True, slots=True)
class Locked:
    """What was locked: the lock, how many files were brought for it, and how many are in the folder but not in it."""

    lock: ArtifactsLock
    brought: int
    left_out: int
    changed: bool


def write(project: Project) -> Stage[Locked]:
    """Write artifacts.lock beside pyproject.toml.

    Raises:
        UsageError: the artifacts are no folder of Cloud Storage, or there is no such bucket.
        EnvironmentFaultError: the folder has no files, or they cannot be read.
    """
    if not project.is_remote:
        raise UsageError(
            f"the artifacts are {project.artifacts}/, a folder of the project: git has its content",
            fix='for artifacts in a bucket write `artifacts = "gs://bucket/folder"` into [tool.seatrial]',
        )
    root = cache.artifacts_dir()
    held = yield from acquire(root / "fetch.lock", "another run that fetches artifacts")
    try:
        return (yield from _write(project, root))
    finally:
        held.release()


def _write(project: Project, root: Path) -> Stage[Locked]:
    yield Step(f"reading the list of {project.artifacts}")
    there = _by_path(project.artifacts, (yield from transfer.listed(project.artifacts)))
    known = _known(project, there)
    digests = dict(known)
    listed = yield from _listed(project, root, there, digests)
    new = {path: there[path] for path in listed if path not in digests}
    for path, digest in listed.items():
        if digest and digests.get(path, digest) != digest:
            raise _not_listed(project, path)
    if new:
        size = sum(each.size for each in new.values())
        yield Step(f"fetching {len(new)} of {len(listed)} artifacts, {size / 1e6:,.1f} MB, to know their SHA-256")
        digests |= yield from _brought(project, root, new)
        for path in new:
            if listed[path] not in ("", digests[path]):
                raise _not_listed(project, path)
    rows = (_row(path, there[path], digests[path]) for path in sorted(listed))
    lock = ArtifactsLock(project.artifacts, tuple(rows))
    before = _text(project.artifacts_lock_file)
    files.write(project.artifacts_lock_file, lock.text)
    if not kept.folder_of(root, lock).is_dir() and all(kept.file_of(root, row.sha256).is_file() for row in lock.rows):
        kept.assemble(root, lock)
    return Locked(lock, len(listed.keys() - known.keys()), len(there) - len(lock.rows), before != lock.text)


def _by_path(uri: str, objects: list[Stored]) -> dict[str, Stored]:
    """Return the objects by their paths in the folder, after a look at every name."""
    try:
        found = storage.files_in(objects, uri, transfer.place_of(uri)[1], Path())
    except StorageError as error:
        message, _, fix = str(error).partition("; ")
        raise EnvironmentFaultError(message, fix=fix.replace("the model's artifact URI", "`artifacts`")) from None
    return {path: file.stored for path, file in found.items()}


def _known(project: Project, there: Mapping[str, Stored]) -> dict[str, str]:
    """Return the SHA-256 of what the former lock has, by path."""
    try:
        rows = artifacts_lock.read(project.artifacts_lock_file, project.artifacts).rows
    except UsageError:
        return {}
    return {row.path: row.sha256 for row in rows if row.path in there and _row_of(there[row.path], row) == row}


def _row_of(stored: Stored, row: Row) -> Row:
    return _row(row.path, stored, row.sha256)


def _row(path: str, stored: Stored, sha256: str) -> Row:
    return Row(path, stored.size, sha256, stored.crc32c, stored.generation, stored.encoding)


def _listed(
    project: Project, root: Path, there: Mapping[str, Stored], digests: dict[str, str]
) -> Stage[dict[str, str]]:
    """Return the paths to lock, with the SHA-256 that training's manifest has for each; "" without one.

    A manifest that is new is brought, and is then in `digests`.
    """
    everything = dict.fromkeys(there, "")
    if MANIFEST not in there:
        return everything
    if MANIFEST not in digests or not kept.file_of(root, digests[MANIFEST]).is_file():
        digests |= yield from _brought(project, root, {MANIFEST: there[MANIFEST]})
    files_there = {path: File(stored, Path()) for path, stored in there.items() if path != MANIFEST}
    try:
        found = storage.as_listed(files_there, kept.file_of(root, digests[MANIFEST]), project.artifacts)
    except StorageError as error:
        message, _, fix = str(error).partition("; ")
        raise EnvironmentFaultError(message, fix=fix) from None
    return {path: file.sha256 for path, file in found.items()} | {MANIFEST: ""}


def _brought(project: Project, root: Path, objects: Mapping[str, Stored]) -> Stage[dict[str, str]]:
    """Bring objects into the cache and return their SHA-256 by path."""
    files_to = [transfer.file_for(root, project.artifacts, stored) for stored in objects.values()]
    found = yield from transfer.bring(root, project.artifacts, files_to)
    return {path: found[stored.name] for path, stored in objects.items()}


def _not_listed(project: Project, path: str) -> EnvironmentFaultError:
    return EnvironmentFaultError(
        f"{project.artifacts}/{path} is not the file that {MANIFEST} beside it lists",
        fix="upload the whole folder again, as training wrote it",
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
