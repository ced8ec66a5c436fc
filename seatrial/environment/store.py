"""The folder of kept environments and their copies.

An environment is kept under the digest of its locks, and nothing ever runs in it: each trial gets a copy of hard links.
Nothing comes back from a copy. A trial that changes an installed file in place, bytecode included, is detected. Nothing
is installed here.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from seatrial.environment.interpreter import Interpreter, uv
from seatrial.environment.record import rows
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Finding, Stage, Step
from seatrial.rules.lock import installed
from seatrial.system import process

KEPT_AT_MOST = 8  # environments; the files of most are shared with uv's cache, so this bounds inodes more than bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """An environment in which nothing has run."""

    path: Path
    interpreter: Interpreter

    @property
    def snapshot(self) -> Path:
        """The file with size and time of every installed file, as they were when the environment was made."""
        return self.path / "snapshot.json"

    @property
    def lock_file(self) -> Path:
        """The lock to hold while it is made, copied or removed."""
        return self.path.parent / f"{self.path.name}.lock"


@dataclass(frozen=True, slots=True)
class Copy:
    """A trial's own environment, with the folders that its processes see; removed when the trial ends."""

    path: Path
    kept: Kept

    @property
    def python(self) -> Path:
        """The interpreter of the copy. Only `python -m` and script files run in it: console scripts name `kept`."""
        return self.path / "environment/bin/python"

    def folder(self, name: str) -> Path:
        """Return a folder beside the environment, made on first use."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path


@contextlib.contextmanager
def copy(kept: Kept) -> Iterator[Copy]:
    """Yield a trial's own environment: hard links to the kept one, or full copies if links fail.

    The copy is removed afterwards. The next run sweeps what a killed one left, whose lock is free then.
    """
    path = kept.path.parent / f"copy-{secrets.token_hex(8)}"
    with FileLock(f"{path}.lock"):
        try:
            path.mkdir()
            with FileLock(kept.lock_file):
                if not kept.snapshot.is_file():
                    raise EnvironmentFaultError("another run removed the environment", fix="run it again")
                _link_tree(str(kept.path / "environment"), str(path / "environment"))
            yield Copy(path, kept)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            Path(f"{path}.lock").unlink(missing_ok=True)


def announce_full_copy(kept: Kept) -> Stage[None]:
    """Announce a copy of full size where the cache folder has no hard links; refuse it early if there is no room."""
    probe = kept.path.parent / f".link-{secrets.token_hex(8)}"
    try:
        os.link(kept.snapshot, probe)
        probe.unlink()
    except OSError:
        size = sum(size for size, _ in _snapshot(kept).values()) / 1e9
        free = shutil.disk_usage(kept.path.parent).free / 1e9
        if free < size:
            raise EnvironmentFaultError(
                f"{kept.path.parent} has no hard links and {free:.1f} GB free; a full copy needs {size:.1f} GB",
                fix="set SEATRIAL_CACHE to a folder on a file system with hard links",
            ) from None
        yield Step(f"no hard links in {kept.path.parent}: copying all {size:.1f} GB of the environment")


def _link_tree(source: str, target: str) -> None:
    os.mkdir(target)  # noqa: PTH102 - 26,000 Path objects would cost more than the links themselves
    with os.scandir(source) as entries:
        for entry in entries:
            to = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), to)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                _link_tree(entry.path, to)
            else:
                try:
                    os.link(entry.path, to)
                except OSError:
                    shutil.copy2(entry.path, to)


def settle(copy: Copy) -> Iterator[Finding]:
    """Compare the kept environment with its snapshot after a trial.

    Hard links share their content: a process that rewrites an installed file in its copy also rewrites the kept one and
    the one in uv's cache. Both are then removed.
    """
    kept = copy.kept
    with FileLock(kept.lock_file):
        if not kept.snapshot.is_file():
            return  # another trial found it changed and removed it
        changed = changed_files(kept)
        if changed:
            discard(kept, changed)
    for path in changed[:5]:
        yield installed.CHANGED_INSTALL.finding(
            f"the installed file {path} was changed in place during the trial", subject=path
        )


def changed_files(kept: Kept) -> list[str]:
    """List the files that are not as they were when the environment was made, or that came or went since."""
    before = _snapshot(kept)
    if not before:
        return [kept.snapshot.name]
    now = snapshot_of(kept.path / "environment")
    return sorted(path for path in before.keys() | now.keys() if now.get(path) != before.get(path))


def _snapshot(kept: Kept) -> dict[str, list[int]]:
    """Return what `snapshot_of` said when the environment was made; {} if the file is damaged."""
    try:
        found = json.loads(kept.snapshot.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def discard(kept: Kept, changed: list[str]) -> None:
    """Remove a kept environment, and from uv's cache the distributions of its changed files."""
    names = _distributions_of(changed, kept.path / "environment")
    remove(kept.path)
    if names:
        process.output([uv(), "cache", "clean", *names], env=process.install_environment(), timeout=300)


def remove(path: Path) -> None:
    """Remove a kept environment; an interrupt leaves no part of it under its name."""
    if path.exists():
        doomed = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def snapshot_of(root: Path) -> dict[str, list[int]]:
    """Return size in bytes and modification time in nanoseconds of every file below a folder, by relative path."""
    found: dict[str, list[int]] = {}
    folders = [str(root)]
    while folders:
        try:
            entries = os.scandir(folders.pop())
        except OSError:  # removed, or a file now stands there
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    stat = entry.stat(follow_symlinks=False)
                    time = 0 if entry.is_symlink() else stat.st_mtime_ns  # a link that is copied gets a new time
                    found[entry.path[len(str(root)) + 1 :]] = [stat.st_size, time]
    return found


def _distributions_of(paths: list[str], root: Path) -> list[str]:
    """Return the names of the distributions that installed the files, from the RECORD of each."""
    names = set()
    for record in root.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        site = record.parent.parent.relative_to(root)
        listed = {str(record.relative_to(root))}
        with contextlib.suppress(OSError, csv.Error):  # it may be what is damaged
            listed |= {str(site / row[0]) for row in rows(record.read_text(encoding="utf-8", errors="replace"))}
        if listed.intersection(paths):
            names.add(record.parent.name.split("-")[0])
    return sorted(names)


def drop_least_used(root: Path) -> None:
    """Remove the environments that were used longest ago, down to `KEPT_AT_MOST`, but none in use."""
    kept = sorted((f.parent for f in root.glob("*/snapshot.json")), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in kept[KEPT_AT_MOST:]:
        with contextlib.suppress(Timeout), FileLock(root / f"{path.name}.lock", timeout=0):
            remove(path)


def sweep(root: Path) -> None:
    """Remove what killed runs left behind: copies, and environments that were never finished."""
    for lock in root.glob("copy-*.lock"):
        with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
    for path in root.glob(".*-*"):
        lock = root / f"{path.name[1:].split('-')[0]}.lock"
        with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
            shutil.rmtree(path, ignore_errors=True)
