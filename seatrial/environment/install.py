"""The predictor's environment: the configured Python and the two locks, nothing else.

It is made once for a lock, compiled (see `bytecode`) and kept (see `store`); a trial installs the two wheels into its
own copy. Everything that is installed comes from a lock with hashes, is built from a source that the lock allows (see
`built`), or is a wheel that `bundle` built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from seatrial.diagnosis.translate import diagnose
from seatrial.environment import built, bytecode
from seatrial.environment.interpreter import Interpreter, uv
from seatrial.environment.store import (
    Copy,
    Kept,
    changed_files,
    complete,
    discard,
    drop_least_used,
    remove,
    site_packages,
    snapshot_of,
    sweep,
)
from seatrial.errors import EnvironmentFaultError
from seatrial.facts.packages import installed
from seatrial.facts.packages.requirements import RequirementFile, marker_environment
from seatrial.facts.packages.requirements import read as read_requirements
from seatrial.findings import Finding, Location, Stage, Step
from seatrial.rules.lock.installed import INCONSISTENT
from seatrial.rules.lock.installing import SURROUNDINGS
from seatrial.rules.lock.pairs import mismatch
from seatrial.system import file_lock, process
from seatrial.system.cache import cache_dir

INSTALL_TIMEOUT = 1800.0  # seconds; 3 GB of CUDA wheels at 2 MB/s

# Measured with `du -sh`, torch 2.15.0: what an environment takes on disk, and what its download takes before that.
CUDA_GIGABYTES, CPU_GIGABYTES, SMALL_GIGABYTES = 8.5, 1.5, 0.3


@dataclass(frozen=True, slots=True)
class Lock:
    """What is installed: the project's lock and, below it, the runtime's pins that it lacks.

    Attributes:
        text: requirement lines with hashes, and the index lines of the project's lock.
        names: the canonical names of everything in it.
        path: the project's lock, relative to the project.
    """

    text: str
    names: frozenset[str]
    path: str


def merge(lock: RequirementFile, lock_text: str, runtime: RequirementFile) -> Lock:
    """Join the project's lock with the runtime's; where both pin a distribution, the project's pin stays."""
    names = {entry.name for entry in (*lock.entries, *runtime.entries)}
    return Lock(installed.merged(lock, lock_text, runtime), frozenset(names), lock.path)


def keep(lock: Lock, interpreter: Interpreter) -> Stage[Kept | None]:
    """Find or make the kept environment of a lock; None after a finding that says why it cannot be installed.

    Raises:
        EnvironmentFaultError: too little disk space, no network, or a failure of the installer that no rule recognises.
    """
    root = cache_dir()
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    kept = _place(lock, interpreter)
    alone = yield from file_lock.acquire(kept.lock_file, "another run that installs the same lock")
    try:
        if kept.snapshot.is_file() and (changed := changed_files(kept)):
            yield Step(f"{changed[0]} has changed since it was installed: making the environment again")
            discard(kept, changed)
        if kept.snapshot.is_file():
            yield Step(f"{len(lock.names)} distributions from {lock.path}, kept from an earlier run")
        elif not (yield from _make(lock, kept)):
            return None
        os.utime(kept.path)
    finally:
        alone.release()
    drop_least_used(root)
    return kept


def is_kept(lock: Lock, interpreter: Interpreter) -> bool:
    """Return whether there is a kept environment of a lock."""
    return _place(lock, interpreter).snapshot.is_file()


def _place(lock: Lock, interpreter: Interpreter) -> Kept:
    return Kept(
        cache_dir() / installed.name_of(str(interpreter.executable), interpreter.version, lock.text), interpreter
    )


def _make(lock: Lock, kept: Kept) -> Stage[bool]:
    root = kept.path.parent
    _refuse_full_disk(root, lock)
    yield Step(f"installing {len(lock.names)} distributions from {lock.path}, hashes required")
    making = Path(tempfile.mkdtemp(prefix=f".{kept.path.name}-", dir=root))
    try:
        if not (yield from _install(lock, kept.interpreter, making)):
            return False
        (making / kept.snapshot.name).write_text(json.dumps(snapshot_of(making / "environment")))
        remove(kept.path)  # one without a snapshot, if any
        making.rename(kept.path)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return True


def _install(lock: Lock, interpreter: Interpreter, folder: Path) -> Stage[bool]:
    target = folder / "environment"
    env = process.install_environment()
    venv = [uv(), "venv", "--quiet", "--no-project", "--python", str(interpreter.executable)]
    # In a folder without a project, so that only the user's own settings of uv apply, such as a private index.
    code, printed = process.output([*venv, str(target)], env=env, cwd=folder, timeout=60)
    if code != 0:
        raise EnvironmentFaultError(
            f"uv could not make an environment with {interpreter.executable}:\n{printed}",
            fix="check that this Python runs, and that SEATRIAL_CACHE or the user's cache folder can be written",
        )
    if not (yield from run_installer(lock, interpreter, folder, ["--python", str(target / "bin/python")])):
        return False
    bytecode.make(target, [Kept(path, interpreter) for path in complete(folder.parent)])
    return True


def run_installer(lock: Lock, interpreter: Interpreter, folder: Path, options: list[str]) -> Stage[bool]:
    """Install a lock where uv's `options` say, hashes required; False after a finding that refuses it.

    Only wheels are installed, so that what the trial installs is what ships. A pin that has none is built once from its
    source, and its wheel is kept (see `built`). The copy of the lock in `folder` then allows that file too.

    Raises:
        EnvironmentFaultError: no network, or the installer failed in a way that no rule knows.
    """
    requirements = folder / "requirements.txt"
    wheels: dict[str, Path] = {}
    text = lock.text
    while True:
        requirements.write_text(text, encoding="utf-8")
        # Everything is pinned and hashed, so the best match of all indexes is the same file on each of them.
        command = [
            uv(), "pip", "install", "--no-progress", "--require-hashes", "--no-deps", "--only-binary=:all:",
            "--index-strategy=unsafe-best-match", *(f"--find-links={wheel.parent}" for wheel in wheels.values()),
            f"--requirements={requirements}", *options,
        ]  # fmt: skip
        # In a folder without a project, so that only the user's own settings of uv count, such as a private index.
        code, printed = process.output(
            command, env=process.install_environment(), cwd=folder, timeout=INSTALL_TIMEOUT, both=True, aloud=True
        )
        if code == 0:
            return True
        printed = printed.replace(str(requirements), lock.path)
        read = replace(read_requirements(requirements, folder), path=lock.path)
        python = ".".join(interpreter.version.split(".")[:2])
        pin = built.pin_without_wheel(printed, read, python)
        if pin is None or pin.name in wheels:
            yield _reason(printed)
            return False
        wheel = yield from built.provide(pin, read, interpreter)
        if wheel is None:
            return False
        wheels[pin.name] = wheel
        text = built.allowing(text, pin, wheel)


def _reason(printed: str) -> Finding:
    """Return the finding that says why uv could not install a lock.

    Raises:
        EnvironmentFaultError: no rule knows what uv printed, or it is no fault of the lock.
    """
    known = [finding for finding in diagnose(printed) if finding.code not in SURROUNDINGS]
    if not known:
        raise EnvironmentFaultError(
            f"the lock could not be installed:\n{printed}",
            fix="check the network and the index, then run it again",
        )
    return known[0]


def inconsistencies(copy: Copy, lock: RequirementFile) -> Iterator[Finding]:
    """Yield the requirements of the installed distributions that are not met."""
    command = [uv(), "pip", "check", "--python", str(copy.python)]
    _, printed = process.output(command, env=process.install_environment(), timeout=120)
    python = ".".join(copy.kept.interpreter.version.split(".")[:2])
    entries = lock.pins(marker_environment(python))
    for line in printed.splitlines():
        if not (found := re.match(r"The package `([^`]+)` (?:requires|depends on) `?(\w*)", line)):
            continue
        entry = entries.get(found[1])
        location = entry.location if entry else Location(lock.path)
        torch = entries.get("torch") if (found[1], found[2]) == ("torchvision", "torch") else None
        of_the_pair = mismatch(torch, entry, python, location) if torch and entry else None
        yield of_the_pair or INCONSISTENT.finding(line.replace("`", ""), location=location)


def install_wheels(copy: Copy, wheels: list[Path]) -> None:
    """Install the predictor's and the runtime's wheels into a trial's copy, without their dependencies."""
    copy.fill(_tops(wheels))
    code, printed = process.output(
        [
            uv(), "pip", "install", "--quiet", "--no-config", "--no-deps", "--no-index", "--no-cache",
            "--python", str(copy.python), *map(str, wheels),
        ],
        env=process.install_environment(), timeout=120,
    )  # fmt: skip
    if code != 0:
        raise EnvironmentFaultError(
            f"the built wheels could not be installed:\n{printed}",
            fix="the output says why: a full disk, or a folder that cannot be written",
        )
    for trace in site_packages(copy.path).glob("*.dist-info/direct_url.json"):
        trace.unlink()  # it names the project's folder, to which nothing that is served may lead back


def _tops(wheels: list[Path]) -> set[str] | None:
    """Return the folders that wheels have at their top; None if they bring more than packages."""
    names = {name.split("/")[0] for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    return None if any(name.endswith(".data") for name in names) else names


def gigabytes(names: frozenset[str]) -> float:
    """Estimate the disk space that an installed lock takes, by the names of its distributions."""
    if "torch" not in names:
        return SMALL_GIGABYTES
    return CUDA_GIGABYTES if any(name.startswith("nvidia-") for name in names) else CPU_GIGABYTES


def _refuse_full_disk(root: Path, lock: Lock) -> None:
    needed = gigabytes(lock.names)
    free = shutil.disk_usage(root).free / 1e9
    if free < needed:
        raise EnvironmentFaultError(
            f"{root} has {free:.1f} GB free; installing {lock.path} needs about {needed:.1f} GB",
            fix="free disk space, or set SEATRIAL_CACHE to a folder on a larger disk",
        )
