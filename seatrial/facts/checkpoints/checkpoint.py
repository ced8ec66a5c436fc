"""What a file in the artifacts is, by its bytes: its kind, and what its pickles name and hold.

Nothing is ever unpickled: opcodes are read one by one, and long byte strings (tensors) are skipped on disk.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from seatrial.facts.checkpoints import safetensors
from seatrial.facts.checkpoints.contents import read_contents
from seatrial.facts.checkpoints.kinds import HEAD, Kind, kind_of
from seatrial.facts.checkpoints.opcodes import OPCODE_LIMIT, Budget
from seatrial.facts.checkpoints.pickles import Fetched, Name, PickleScan, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.facts.checkpoints.contents import Contents
    from seatrial.project import Project

SUFFIXES = (".pt", ".pth", ".pt2", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".safetensors", ".dill", ".sav")
PROJECT_LIMIT = 4 * OPCODE_LIMIT  # opcodes in all files together
FILE_LIMIT = 2000  # opcodes of a file when the others have used that up


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that may hold a model.

    Attributes:
        path: relative to the project.
        kind: what it is.
        size: in bytes; for a Git LFS pointer `real_size` is that of the file it stands for, if known.
        globals: every (module, name) that its pickles import when they are loaded, in order, each once.
        called: those of them that it calls, or makes an object of with arguments.
        changed: those of them whose attributes or items it sets.
        hidden: what pickles import that loading does not follow: those in bytes, and those of TorchScript.
        computed: whether a pickle imports or calls something that only running it would show.
        acts: whether a pickle calls or instantiates anything.
        fetched: the attributes that its pickles get of what they import.
        devices: where its tensors were saved from, as `cpu` or `cuda:0`, sorted.
        protocol: the highest pickle protocol in it.
        top: the class of the object that it holds, such as `dict`; "" if unknown.
        tensors: "" or the key of an inner dict → name → tensor, for every dict of tensors in the file.
        states: (class, names of the attributes) of the objects in it.
        complete: False if a pickle could not be followed to its end; then `globals` may lack some.
        too_long: whether that is because it is longer than what is followed.
        fault: why it cannot be whole: what is cut off or does not fit; "" if it seems whole.
    """

    path: str
    kind: Kind
    size: int = 0
    real_size: int | None = None
    globals: tuple[Name, ...] = ()
    called: frozenset[Name] = frozenset()
    changed: tuple[Name, ...] = ()
    hidden: tuple[Name, ...] = ()
    computed: bool = False
    acts: bool = False
    fetched: tuple[Fetched, ...] = ()
    devices: tuple[str, ...] = ()
    protocol: int = 0
    top: str = ""
    tensors: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    states: tuple[tuple[str, frozenset[str]], ...] = ()
    complete: bool = True
    too_long: bool = False
    fault: str = ""


def read_checkpoints(project: Project) -> tuple[Checkpoint, ...]:
    """Read the files of the artifacts that are named like checkpoints or hold pickles, sorted by path."""
    folder = project.artifacts_dir
    if not folder.is_dir():
        return ()
    left = PROJECT_LIMIT
    read = []
    for file in sorted(folder.rglob("*")):
        named = is_named(file.name)
        path = project.shown(file)
        entry = _entry(file, path, folder)
        if entry is None:
            before = max(FILE_LIMIT, min(left, OPCODE_LIMIT))
            budget = Budget(before)
            entry = read_checkpoint(file, path, budget)
            left -= before - budget.opcodes
            named = named or _holds_pickles(entry)
        if named:
            read.append(entry)
    return tuple(read)


def is_named(name: str) -> bool:
    """Return whether a file is named like a checkpoint, whatever it is packed in, such as `model.pkl.gz`."""
    return any(f".{part}" in SUFFIXES for part in name.lower().split(".")[1:])


def _holds_pickles(read: Checkpoint) -> bool:
    """Return whether a file with any name is more than something that begins like a pickle by chance."""
    if read.kind in (Kind.TORCH_ZIP, Kind.TORCHSCRIPT, Kind.EXPORTED, Kind.TORCH_LEGACY):
        return True
    does = bool(read.globals or read.hidden or read.acts or read.computed)
    return does or (read.kind in (Kind.NUMPY, Kind.PICKLE, Kind.ARCHIVE) and read.too_long)


def _entry(file: Path, path: str, artifacts: Path) -> Checkpoint | None:
    """Describe an entry that is not a regular file of the artifacts. A pipe or device is never opened."""
    try:
        if file.is_symlink() and not file.resolve(strict=True).is_relative_to(artifacts.resolve()):
            return Checkpoint(path, Kind.LINK_OUT)
        mode = file.stat().st_mode
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        return Checkpoint(path, Kind.SPECIAL)
    if stat.S_ISDIR(mode):
        return Checkpoint(path, Kind.FOLDER)
    return None if stat.S_ISREG(mode) else Checkpoint(path, Kind.SPECIAL)


def read_checkpoint(file: Path, path: str, budget: Budget | None = None) -> Checkpoint:
    """Read one file; `path` is what findings call it."""
    try:
        with file.open("rb") as content:
            return _read(content, path, os.fstat(content.fileno()).st_size, budget or Budget())
    except OSError:
        return Checkpoint(path, Kind.SPECIAL)


def _read(content: IO[bytes], path: str, size: int, budget: Budget) -> Checkpoint:
    head = content.read(HEAD)
    kind = kind_of(head, path)
    if kind is Kind.LFS_POINTER:
        return Checkpoint(path, kind, size, _pointed_at(head))
    contents = read_contents(content, size, budget, path)
    if kind is Kind.SAFETENSORS and contents.kind is Kind.OTHER:
        return _safetensors(content, path, size)
    return _found(path, size, contents)


def _pointed_at(head: bytes) -> int | None:
    """Return the size of the file that a Git LFS pointer stands for."""
    sizes = [line[5:] for line in head.splitlines() if line.startswith(b"size ")]
    return int(sizes[0]) if sizes and sizes[0].isdigit() else None


def _safetensors(content: IO[bytes], path: str, size: int) -> Checkpoint:
    try:
        tensors = safetensors.read_header(content, size)
    except safetensors.DamagedError as why:
        return Checkpoint(path, Kind.SAFETENSORS, size, fault=str(why))
    if tensors is None:
        return Checkpoint(path, Kind.SAFETENSORS, size, complete=False, too_long=True)
    return Checkpoint(path, Kind.SAFETENSORS, size, tensors={"": tensors} if tensors else {})


def _found(path: str, size: int, contents: Contents) -> Checkpoint:
    """Join what the pickles of a file name."""
    scans = contents.scans
    held = scans[contents.held] if len(scans) > contents.held else PickleScan()
    return Checkpoint(
        path,
        contents.kind,
        size,
        globals=tuple(dict.fromkeys(g for s in scans for g in s.globals)),
        called=frozenset(g for s in scans for g in s.called),
        changed=tuple(dict.fromkeys(g for s in scans for g in s.changed)),
        hidden=tuple(dict.fromkeys(g for s in contents.hidden for g in s.globals)),
        computed=any(s.computed for s in scans),
        acts=any(s.acts for s in scans),
        fetched=tuple(dict.fromkeys(f for s in scans for f in s.fetched)),
        devices=tuple(sorted({storage.location for s in scans for storage in s.storages.values()})),
        protocol=max((s.protocol for s in scans), default=0),
        top=held.top,
        tensors=held.keys,
        states=tuple(dict.fromkeys(state for s in scans for state in s.states)),
        complete=contents.complete and all(s.complete for s in scans),
        too_long=contents.too_long or any(s.too_long for s in scans),
        fault=contents.fault or next((s.fault for s in scans if s.fault), ""),
    )
