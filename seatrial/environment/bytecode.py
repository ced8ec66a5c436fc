"""Bytecode: compiled once for a kept environment, before anything has run in it.

To compile torch and what it requires takes longer than to install them. A module that is the very same file in another
kept environment, as uv links it, has the very same bytecode, so that is copied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from seatrial.environment import store
from seatrial.environment.store import Kept
from seatrial.system import process

_CACHE = "__pycache__"
COMPILE_TIMEOUT = 600.0  # seconds; torch and what it requires take 15 of processor time


def make(target: Path, others: Iterable[Kept]) -> None:
    """Compile all that was installed in `target` but tests, and first take what `others` have compiled.

    Files that are not Python of this version are left as they are, as an import would.
    """
    for other in others:
        take(other, target)
    missing = "".join(f"{module}\n" for module in _not_compiled(target))
    if missing:
        command = [str(target / "bin/python"), "-I", "-m", "compileall", "-qq", "-j", "0", "-i", "-"]
        process.output(command, env={}, cwd=target, timeout=COMPILE_TIMEOUT, given=missing.encode())


def take(other: Kept, target: Path) -> None:
    """Copy bytecode that is as it was when the other environment was made, of modules that are the same files here.

    It is no link: what a trial that is not sealed does to its own environment must not reach another.
    """
    if _python_of(other.path / "environment") != _python_of(target):
        return
    made: set[str] = set()
    for name, (size, time) in store.snapshot_in(other).items():
        cache, _, compiled = name.rpartition("/")
        if not compiled.endswith(".pyc") or not cache.endswith(f"/{_CACHE}"):
            continue
        module = f"{cache.removesuffix(_CACHE)}{compiled.rsplit('.', 2)[0]}.py"
        theirs, ours = other.path / "environment" / name, target / name
        with contextlib.suppress(OSError):  # not here, or another run removes it
            if not (target / module).samefile(other.path / "environment" / module) or ours.exists():
                continue
            known = theirs.stat()
            if [known.st_size, known.st_mtime_ns] == [size, time]:
                if cache not in made:
                    ours.parent.mkdir(exist_ok=True)
                    made.add(cache)
                shutil.copyfile(theirs, ours)


def _not_compiled(target: Path) -> Iterator[str]:
    """Yield the modules below an environment that have no bytecode, relative to it."""
    for folder, names, files in os.walk(target / "lib"):
        names[:] = [name for name in names if name not in ("test", "tests", _CACHE)]
        compiled = {name.rsplit(".", 2)[0] for name in _listed(Path(folder, _CACHE))}
        here = Path(folder).relative_to(target)
        yield from (str(here / name) for name in files if name.endswith(".py") and name[:-3] not in compiled)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are enough
    except OSError:
        return []


def _python_of(environment: Path) -> str:
    """Return what names the interpreter of an environment: its folder and version."""
    try:
        return (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ""
