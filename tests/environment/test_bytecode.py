"""Bytecode: made with an environment, and taken from another one where the modules are the same files."""

from __future__ import annotations

import shutil
from pathlib import Path

from seatrial.environment import bytecode, store
from seatrial.environment.interpreter import Interpreter
from seatrial.environment.store import Kept
from tests.environment.small_lock import kept


def again(made: Kept, folder: Path) -> Path:
    """Install the same files as they are before anything is compiled, as links, as uv does."""
    ignored = shutil.ignore_patterns("__pycache__")
    target = folder / "environment"
    shutil.copytree(made.path / "environment", target, symlinks=True, ignore=ignored, copy_function=_link)
    return target


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def test_bytecode_of_the_same_modules_is_copied(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    made = kept(python)
    target = again(made, tmp_path)
    bytecode.take(made, target)
    theirs = {path for path in store.snapshot_in(made) if path.endswith(".pyc")}
    assert {str(path.relative_to(target)) for path in target.rglob("*.pyc")} == theirs
    assert all(not (target / path).samefile(made.path / "environment" / path) for path in theirs)


def test_what_was_changed_since_is_compiled(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    made = kept(python)
    target = again(made, tmp_path)
    changed = next((made.path / "environment").rglob("click/__pycache__/core.*.pyc"))
    changed.write_bytes(changed.read_bytes() + b"!")
    other = next(target.rglob("click/types.py"))
    text = other.read_bytes()
    other.unlink()
    other.write_bytes(text + b"\n")
    bytecode.take(made, target)
    theirs, ours = (
        {file.name.partition(".")[0] for file in folder.rglob("click/__pycache__/*")} for folder in (made.path, target)
    )
    assert theirs - ours == {"core", "types"}
    bytecode.make(target, [made])
    assert not next(target.rglob("click/__pycache__/core.*.pyc")).read_bytes().endswith(b"!")
    assert list(target.rglob("click/__pycache__/types.*.pyc"))


def test_bytecode_of_another_python_is_not_taken(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    made = kept(python)
    target = again(made, tmp_path)
    settings = target / "pyvenv.cfg"
    settings.unlink()
    settings.write_text("home = /elsewhere\n")
    bytecode.take(made, target)
    assert not list(target.rglob("*.pyc"))
