"""The folder of kept environments and their copies.

An environment is kept under the digest of its locks, and nothing ever runs in it: each trial gets a copy of hard links.
In a hollow copy the packages are empty folders, where the seal shows those of the kept environment, read-only. Nothing
comes back from a copy. A trial that changes an installed file in place, bytecode included, is detected. Nothing is
installed here.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
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

    @property
    def packages(self) -> set[str]:
        """The folders in site-packages that an import may find."""
        with os.scandir(site_packages(self.path)) as entries:
            return {e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.endswith(".dist-info")}


@dataclass(frozen=True, slots=True)
class Copy:
    """A trial's own environment, with the folders that its processes see; removed when the trial ends."""

    path: Path
    kept: Kept
    _hollow: set[str] = field(default_factory=set)  # packages that are empty folders
    _use: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)  # of the kept environment, by a hollow one

    @property
    def python(self) -> Path:
        """The interpreter of the copy. Only `python -m` and script files run in it: console scripts name `kept`."""
        return self.path / "environment/bin/python"

    def folder(self, name: str) -> Path:
        """Return a folder beside the environment, made on first use."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def hollow(self) -> Iterator[tuple[Path, Path]]:
        """Yield the empty folder of each package that is not copied, and the kept one that belongs in its place.

        Raises:
            EnvironmentFaultError: another run removed the kept environment.
        """
        if self._hollow:
            _refuse_removed(self.kept)
            here, kept = site_packages(self.path), site_packages(self.kept.path)
            yield from ((here / name, kept / name) for name in sorted(self._hollow) if (here / name).is_dir())

    def fill(self, names: Collection[str] | None = None) -> None:
        """Copy the packages with these names that are hollow; without `names`, all of them.

        Raises:
            EnvironmentFaultError: another run removed the kept environment, or there is no room for a full copy.
        """
        missing = [pair for pair in self.hollow() if names is None or pair[0].name in names]
        if missing:
            with _held(self.kept):
                if names is None and not _has_links(self.kept):
                    _refuse_full_disk(self.kept)
                for place, source in missing:
                    place.rmdir()
                    _link_tree(str(source), str(place))
                    self._hollow.discard(place.name)
        if names is None:
            self._use.close()


@contextlib.contextmanager
def copy(kept: Kept, *, hollow: bool = False) -> Iterator[Copy]:
    """Yield a trial's own environment: hard links to the kept one, or full copies if links fail.

    The copy is removed afterwards. The next run sweeps what a killed one left, whose lock is free then. What a hollow
    copy lacks is never removed while it exists.
    """
    path = kept.path.parent / f"copy-{secrets.token_hex(8)}"
    with FileLock(f"{path}.lock"), contextlib.ExitStack() as use:
        try:
            path.mkdir()
            with _held(kept):
                packages = kept.packages if hollow else set()
                if hollow:
                    use.enter_context(_in_use(kept.path, fcntl.LOCK_SH))
                site = site_packages(kept.path)
                empty = frozenset(str(site / name) for name in packages)
                _link_tree(str(kept.path / "environment"), str(path / "environment"), empty)
            yield Copy(path, kept, packages, use)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            Path(f"{path}.lock").unlink(missing_ok=True)


def site_packages(folder: Path) -> Path:
    """Return where the distributions of a kept environment, or of a copy, are installed."""
    return next((folder / "environment").glob("lib/python*/site-packages"))


@contextlib.contextmanager
def _held(kept: Kept) -> Iterator[None]:
    """Hold a kept environment, so that no other run changes or removes it.

    Raises:
        EnvironmentFaultError: another run has removed it.
    """
    with FileLock(kept.lock_file):
        _refuse_removed(kept)
        yield


def _refuse_removed(kept: Kept) -> None:
    if not kept.snapshot.is_file():
        raise EnvironmentFaultError("another run removed the environment", fix="run it again")


@contextlib.contextmanager
def _in_use(folder: Path, kind: int) -> Iterator[None]:
    """Hold the lock inside a kept environment, which hollow copies share and whoever removes it has alone.

    It goes with the folder when that gets another name.

    Raises:
        BlockingIOError: `kind` does not wait, and others have the lock.
        OSError: the folder is gone.
    """
    descriptor = os.open(folder / "in-use", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def announce_full_copy(kept: Kept) -> Stage[None]:
    """Announce a copy of full size where the cache folder has no hard links."""
    if not _has_links(kept):
        what = f"all {_gigabytes(kept):.1f} GB of the environment"
        yield Step(f"no hard links in {kept.path.parent}: {what} are copied if this machine has no namespaces")


def _has_links(kept: Kept) -> bool:
    probe = kept.path.parent / f".link-{secrets.token_hex(8)}"
    try:
        os.link(kept.snapshot, probe)
        probe.unlink()
    except OSError:
        return False
    return True


def _refuse_full_disk(kept: Kept) -> None:
    size, free = _gigabytes(kept), shutil.disk_usage(kept.path.parent).free / 1e9
    if free < size:
        raise EnvironmentFaultError(
            f"{kept.path.parent} has no hard links and {free:.1f} GB free; a full copy needs {size:.1f} GB",
            fix="set SEATRIAL_CACHE to a folder on a file system with hard links",
        )


def _gigabytes(kept: Kept) -> float:
    return sum(size for size, _ in snapshot_in(kept).values()) / 1e9


def _link_tree(source: str, target: str, empty: frozenset[str] = frozenset()) -> None:
    """Make a folder and link all that another one holds; folders whose source is in `empty` get nothing."""
    os.mkdir(target)  # noqa: PTH102 - 26,000 Path objects would cost more than the links themselves
    if source in empty:
        return
    with os.scandir(source) as entries:
        for entry in entries:
            to = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), to)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                _link_tree(entry.path, to, empty)
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
    before = snapshot_in(kept)
    if not before:
        return [kept.snapshot.name]
    now = snapshot_of(kept.path / "environment")
    return sorted(path for path in before.keys() | now.keys() if now.get(path) != before.get(path))


def snapshot_in(kept: Kept) -> dict[str, list[int]]:
    """Return what `snapshot_of` said when an environment was made; {} if the file is damaged or missing."""
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
    """Remove a kept environment; an interrupt leaves no part of it under its name.

    If trials show its packages, its files stay under another name, and a later run sweeps them.
    """
    if path.exists():
        doomed = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        path.rename(doomed)
        _clear(doomed)


def _clear(folder: Path) -> None:
    with contextlib.suppress(OSError), _in_use(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(folder, ignore_errors=True)


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


def complete(root: Path) -> list[Path]:
    """Return the folders of the environments that are kept, the one used last first."""
    return sorted((f.parent for f in root.glob("[!.]*/snapshot.json")), key=lambda p: p.stat().st_mtime, reverse=True)


def drop_least_used(root: Path, at_most: int | None = None) -> None:
    """Remove the environments that were used longest ago, down to `at_most` or `KEPT_AT_MOST`, but none in use."""
    for path in complete(root)[KEPT_AT_MOST if at_most is None else at_most :]:
        with contextlib.suppress(Timeout, BlockingIOError), FileLock(root / f"{path.name}.lock", timeout=0):
            with _in_use(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                pass  # nobody uses it, and as long as the other lock is held, nobody can begin to
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
            _clear(path)
