"""What a file in the artifacts is, by its bytes: its kind, and which classes and devices its pickles name.

Nothing is ever unpickled: opcodes are read one by one, and long byte strings (tensors) are skipped on disk.
"""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from pickletools import genops
from typing import IO, TYPE_CHECKING, cast

from seatrial.facts.opcodes import UNREAD, PickleScan, SkippingReader, scan

if TYPE_CHECKING:
    from seatrial.project import Project

SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"}
ZIP_PICKLE_LIMIT = 256 << 20  # bytes unpacked, half a second; tensors are records of their own beside the pickle
SAFETENSORS_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own MAX_HEADER_SIZE
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER: the first pickle of a legacy file
LEGACY_PREAMBLE = 3  # torch.serialization._legacy_save: magic, protocol, sys_info; then the object


class Kind(StrEnum):
    """What the first bytes of a file say that it is."""

    TORCH_ZIP = "a torch checkpoint"
    TORCHSCRIPT = "a TorchScript archive"
    TORCH_LEGACY = "a legacy torch checkpoint"
    PICKLE = "a pickle"
    SAFETENSORS = "a safetensors file"
    LFS_POINTER = "a Git LFS pointer"
    PAGE = "an HTML or XML page"
    EMPTY = "an empty file"
    TRUNCATED = "a truncated zip archive"
    OTHER = "of no known kind"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that may hold a model.

    Attributes:
        path: relative to the project.
        kind: what it is.
        size: in bytes.
        globals: every (module, name) that its pickles import when they are loaded, in order, each once.
        devices: where its tensors were saved from, as `cpu` or `cuda:0`, sorted.
        complete: False where a pickle could not be followed to its end; then `globals` may lack some.
    """

    path: str
    kind: Kind
    size: int
    globals: tuple[tuple[str, str], ...] = ()
    devices: tuple[str, ...] = ()
    complete: bool = True


def read_checkpoints(project: Project) -> tuple[Checkpoint, ...]:
    """Read every file of the artifacts whose suffix is that of a checkpoint, sorted by path."""
    if not project.artifacts_dir.is_dir():
        return ()
    files = (f for f in project.artifacts_dir.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    return tuple(read_checkpoint(file, _path(file, project.root)) for file in sorted(files))


def read_checkpoint(file: Path, path: str) -> Checkpoint:
    """Read one file; `path` is what findings shall call it."""
    size = file.stat().st_size
    with file.open("rb") as content:
        head = content.read(512)
        kind = _kind(head)
        scans: list[PickleScan] = []
        if kind is Kind.TORCH_ZIP:
            kind, scans = _zip(content)
        elif kind is Kind.PICKLE:
            content.seek(0)
            kind, scans = _pickles(cast("IO[bytes]", SkippingReader(content, size)))
    found = dict.fromkeys(_current(*g, protocol=s.protocol) for s in scans for g in s.globals)
    devices = sorted({device for s in scans for device in s.devices})
    return Checkpoint(path, kind, size, tuple(found), tuple(devices), all(s.complete for s in scans))


def _kind(head: bytes) -> Kind:
    text = head.lstrip().lower()
    if not head:
        return Kind.EMPTY
    if head.startswith(b"PK\x03\x04"):
        return Kind.TORCH_ZIP
    if head.startswith(b"version https://git-lfs"):
        return Kind.LFS_POINTER
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<error", b"<head")):
        return Kind.PAGE
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:  # PROTO, and no protocol after 5 exists
        return Kind.PICKLE
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < SAFETENSORS_HEADER_LIMIT:
        return Kind.SAFETENSORS
    return Kind.OTHER


def _zip(content: IO[bytes]) -> tuple[Kind, list[PickleScan]]:
    try:
        with zipfile.ZipFile(content) as archive:
            names = archive.namelist()
            if any(name.endswith("/constants.pkl") for name in names):
                return Kind.TORCHSCRIPT, []  # its pickles name TorchScript's own types, not Python's
            pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
            if not pickles:
                return Kind.OTHER, []
            unpacked = archive.getinfo(pickles[0]).file_size  # what is read at most, whatever was packed
            if unpacked > ZIP_PICKLE_LIMIT:
                return Kind.TORCH_ZIP, [UNREAD]
            with archive.open(pickles[0]) as stream:
                return Kind.TORCH_ZIP, [scan(genops(cast("IO[bytes]", SkippingReader(stream, unpacked))))]
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError):
        return Kind.TRUNCATED, []
    except RuntimeError:  # encrypted, or packed by a method that zipfile does not know
        return Kind.TORCH_ZIP, [UNREAD]


def _pickles(content: IO[bytes]) -> tuple[Kind, list[PickleScan]]:
    """Read the one pickle of a file, or the fourth of the five that make a legacy torch file."""
    first = scan(genops(content))
    if first.integer != LEGACY_MAGIC:
        return Kind.PICKLE, [first]
    last = first
    for _ in range(LEGACY_PREAMBLE):
        last = scan(genops(content))
    return Kind.TORCH_LEGACY, [last]


def _current(module: str, name: str, *, protocol: int) -> tuple[str, str]:
    """Give today's name of what protocols before 3 write under a Python 2 name, such as `__builtin__`."""
    if protocol >= 3:
        return module, name
    return NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))


def _path(file: Path, root: Path) -> str:
    return Path(os.path.relpath(file, root)).as_posix()
