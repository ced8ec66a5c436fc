"""What a file in the artifacts is, by its bytes: its kind, and what its pickles name and hold.

Nothing is ever unpickled: opcodes are read one by one, and long byte strings (tensors) are skipped on disk.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from seatrial.facts.checkpoints import safetensors
from seatrial.facts.checkpoints.archive import PICKLE_LIMIT, Form, read_archive
from seatrial.facts.checkpoints.opcodes import OPCODE_LIMIT, Budget, scan
from seatrial.facts.checkpoints.pickles import Fetched, PickleScan, Tensor
from seatrial.facts.checkpoints.streams import SkippingReader, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.project import Project

SUFFIXES = (".pt", ".pth", ".pt2", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".safetensors", ".pt.tar", ".pth.tar")
PROJECT_LIMIT = 4 * OPCODE_LIMIT  # opcodes in all files together
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER: the first pickle of a legacy file
LEGACY_OBJECT = 3  # torch.serialization._legacy_save: magic, protocol, sys_info, the object, the keys of storages


class Kind(StrEnum):
    """What the first bytes of a file say that it is."""

    TORCH_ZIP = "a torch checkpoint"
    TORCHSCRIPT = "a TorchScript archive"
    EXPORTED = "an archive of torch.export"
    TORCH_LEGACY = "a legacy torch checkpoint"
    PICKLE = "a pickle"
    SAFETENSORS = "a safetensors file"
    LFS_POINTER = "a Git LFS pointer"
    PAGE = "an HTML or XML page"
    EMPTY = "an empty file"
    TRUNCATED = "a truncated zip archive"
    FOLDER = "a folder"
    LINK_OUT = "a link to a file outside of the artifacts"
    SPECIAL = "no file that can be read"
    OTHER = "of no known kind"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that may hold a model.

    Attributes:
        path: relative to the project.
        kind: what it is.
        size: in bytes; for a Git LFS pointer `real_size` is that of the file it stands for, if known.
        globals: every (module, name) that its pickles import when they are loaded, in order, each once.
        computed: whether a pickle imports a name that only running it would show.
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
    globals: tuple[tuple[str, str], ...] = ()
    computed: bool = False
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
    """Read every file of the artifacts whose suffix is that of a checkpoint, sorted by path."""
    folder = project.artifacts_dir
    if not folder.is_dir():
        return ()
    left = PROJECT_LIMIT
    read = []
    for file in sorted(f for f in folder.rglob("*") if f.name.lower().endswith(SUFFIXES)):
        budget = Budget(min(left, OPCODE_LIMIT))
        before = budget.opcodes
        path = Path(os.path.relpath(file, project.root)).as_posix()
        read.append(_entry(file, path, folder) or read_checkpoint(file, path, budget))
        left -= before - budget.opcodes
    return tuple(read)


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
    head = content.read(512)
    kind = _kind(head, path)
    if kind is Kind.TORCH_ZIP:
        return _zip(content, path, size, budget)
    if kind is Kind.SAFETENSORS:
        return _safetensors(content, path, size)
    if kind is Kind.LFS_POINTER:
        return Checkpoint(path, kind, size, _pointed_at(head))
    if kind in (Kind.PICKLE, Kind.OTHER):
        return _pickles(content, head, path, size, budget)
    return Checkpoint(path, kind, size)


def _kind(head: bytes, path: str) -> Kind:
    text = head.lstrip().lower()
    if not head:
        return Kind.EMPTY
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Kind.TORCH_ZIP
    if head.startswith(b"version https://git-lfs"):
        return Kind.LFS_POINTER
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<error", b"<head")):
        return Kind.PAGE
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:  # PROTO, and no protocol after 5 exists
        return Kind.PICKLE
    if path.lower().endswith(".safetensors") or head[8:10] in (b'{"', b"{}"):
        return Kind.SAFETENSORS
    return Kind.OTHER


def _pointed_at(head: bytes) -> int | None:
    """Return the size of the file that a Git LFS pointer stands for."""
    sizes = [line[5:] for line in head.splitlines() if line.startswith(b"size ")]
    return int(sizes[0]) if sizes and sizes[0].isdigit() else None


def _zip(content: IO[bytes], path: str, size: int, budget: Budget) -> Checkpoint:
    archive = read_archive(content, size, budget)
    if archive is None:
        return Checkpoint(path, Kind.TRUNCATED, size)
    kinds = {Form.SCRIPTED: Kind.TORCHSCRIPT, Form.EXPORTED: Kind.EXPORTED, Form.PICKLED: Kind.TORCH_ZIP}
    kind = kinds.get(archive.form, Kind.OTHER)
    return _found(path, kind, size, archive.scans, complete=archive.all_read, fault=archive.fault)


def _safetensors(content: IO[bytes], path: str, size: int) -> Checkpoint:
    try:
        tensors = safetensors.read_header(content, size)
    except safetensors.DamagedError as why:
        return Checkpoint(path, Kind.SAFETENSORS, size, fault=str(why))
    if tensors is None:
        return Checkpoint(path, Kind.SAFETENSORS, size, complete=False, too_long=True)
    return Checkpoint(path, Kind.SAFETENSORS, size, tensors={"": tensors} if tensors else {})


def _pickles(content: IO[bytes], head: bytes, path: str, size: int, budget: Budget) -> Checkpoint:
    """Read the one pickle of a file, or the five that a legacy torch file begins with."""
    packed = unpacked(content, head, PICKLE_LIMIT)
    content.seek(0)
    reader = SkippingReader(cast("IO[bytes]", packed), PICKLE_LIMIT + 1) if packed else SkippingReader(content, size)
    first = scan(reader, budget)
    begun = first.complete or first.acts or (packed and first.protocol)
    if not begun and _kind(head, path) is Kind.OTHER:
        return Checkpoint(path, Kind.OTHER, size)  # a text may begin like a pickle of protocol 0
    if first.integer != LEGACY_MAGIC:
        return _found(path, Kind.PICKLE, size, [first])
    scans = [first, *_rest_of_legacy(reader, budget)]
    fault = ""
    if all(s.complete for s in scans):
        # torch.serialization._legacy_save: a length of 8 bytes before the bytes of each storage
        sizes = [storage.size for storage in scans[LEGACY_OBJECT].storages.values()]
        needed = sum(8 + n for n in sizes if n is not None)
        if None not in sizes and (has := size - reader.tell()) < needed:
            fault = f"its tensors need {needed} bytes, and the file has {has} after its pickles"
    return _found(path, Kind.TORCH_LEGACY, size, scans, fault=fault, object_in=LEGACY_OBJECT)


def _rest_of_legacy(reader: SkippingReader, budget: Budget) -> Iterator[PickleScan]:
    for _ in range(LEGACY_OBJECT + 1):
        yield (found := scan(reader, budget))
        if not found.complete:
            return


def _found(
    path: str,
    kind: Kind,
    size: int,
    scans: list[PickleScan] | tuple[PickleScan, ...],
    *,
    complete: bool = True,
    fault: str = "",
    object_in: int = 0,
) -> Checkpoint:
    """Join what the pickles of a file name; the object that loading gives is in the one of number `object_in`."""
    held = scans[object_in] if len(scans) > object_in else PickleScan()
    return Checkpoint(
        path,
        kind,
        size,
        globals=tuple(dict.fromkeys(g for s in scans for g in s.globals)),
        computed=any(s.computed for s in scans),
        fetched=tuple(dict.fromkeys(f for s in scans for f in s.fetched)),
        devices=tuple(sorted({storage.location for s in scans for storage in s.storages.values()})),
        protocol=max((s.protocol for s in scans), default=0),
        top=held.top,
        tensors=held.keys,
        states=tuple(dict.fromkeys(state for s in scans for state in s.states)),
        complete=complete and all(s.complete for s in scans),
        too_long=any(s.too_long for s in scans),
        fault=fault or next((s.fault for s in scans if s.fault), ""),
    )
