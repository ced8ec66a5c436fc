"""Zip archives of torch as facts: which of torch's formats one is, what its pickles name, whether it is whole.

Nothing is extracted. Of an archive only the directory and its pickles are read, both up to a limit.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from seatrial.facts.checkpoints.opcodes import scan
from seatrial.facts.checkpoints.pickles import PickleScan
from seatrial.facts.checkpoints.streams import SkippingReader, Window

if TYPE_CHECKING:
    from seatrial.facts.checkpoints.opcodes import Budget

PICKLE_LIMIT = 64 << 20  # bytes unpacked, a fraction of a second; tensors are records of their own beside the pickle
DIRECTORY_LIMIT = 4 << 20  # bytes, about 50 000 records
AT_ONCE = 1 << 20  # bytes; opcodes of a short pickle come twice as fast from memory
PICKLES_LIMIT = 16  # a real archive has one, and one with the same name twice has something to hide
LOCAL_HEADER = 30  # bytes before the name of a record; APPNOTE 4.3.7
TORCH_PACKS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what torch's own reader unpacks
# What zipfile raises for a damaged archive; NotImplementedError: packed by a method that it does not know.
BROKEN = (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error, NotImplementedError)


class Form(StrEnum):
    """Which format of torch an archive has."""

    PICKLED = "torch.save"
    SCRIPTED = "torch.jit.save"
    EXPORTED = "torch.export.save"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip archive.

    Attributes:
        form: which of torch's formats.
        scans: its pickles, as far as they could be read.
        fault: why it cannot be what torch wrote; "" if it can be.
        all_read: whether every pickle in it was followed.
    """

    form: Form
    scans: tuple[PickleScan, ...] = ()
    fault: str = ""
    all_read: bool = True


class _TooLargeError(Exception):
    """The directory of the archive has more records than are read."""


class _Limited(Window):
    """The archive, of which no read may be longer than the longest directory."""

    def read(self, length: int = -1) -> bytes:
        if length > DIRECTORY_LIMIT:
            raise _TooLargeError
        return super().read(length)


def read_archive(content: IO[bytes], size: int, budget: Budget, *, nested: bool = False) -> Archive | None:
    """Read an archive of `size` bytes that begins at the stream's start; None if it has no directory.

    With `nested` archives in it are left alone.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Limited(content, 0, size))) as archive:
            records = archive.infolist()
            names = {record.filename for record in records}
            form = _form(names)
            fault = _fault(records, size)
            if form is Form.SCRIPTED:  # its pickles name TorchScript's own types, not Python's
                return Archive(form, (), fault)
            pickles = [record for record in records if PurePosixPath(record.filename).name == "data.pkl"]
            scans = [_pickle(archive, record, budget) for record in pickles[:PICKLES_LIMIT]]
            read = [s for s in scans if s is not None]
            fault = fault or next(
                (why for p, s in zip(pickles, scans, strict=False) if s and (why := _lost(p, s, records))), ""
            )
            all_read = len(read) == len(pickles)
            if form is Form.EXPORTED and not nested:
                for inner in _inner(content, records, budget):
                    read += inner.scans
                    fault, all_read = fault or inner.fault, all_read and inner.all_read
            return Archive(form, tuple(read), fault, all_read)
    except _TooLargeError:
        return Archive(Form.PICKLED, (), "", all_read=False)
    except BROKEN:
        return None


def _form(names: set[str]) -> Form:
    ends = {name.split("/", 1)[-1] for name in names}
    if "constants.pkl" in ends:
        return Form.SCRIPTED
    if any(end.startswith("models/") for end in ends) or any(
        n.endswith("serialized_exported_program.json") for n in names
    ):
        return Form.EXPORTED
    return Form.PICKLED if any(PurePosixPath(name).name == "data.pkl" for name in names) else Form.OTHER


def _fault(records: list[zipfile.ZipInfo], size: int) -> str:
    """Return why the directory cannot be of an archive that torch wrote."""
    seen: set[str] = set()
    at = 0
    for record in sorted(records, key=lambda record: record.header_offset):
        name = record.filename
        shown = ascii(name[:80])
        if name in seen:
            return f"it has two records of the name {shown}"
        seen.add(name)
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts or name[1:2] == ":":
            return f"its record {shown} lies outside the archive"
        if record.header_offset < at:
            return f"its record {shown} overlaps another"
        at = record.header_offset + LOCAL_HEADER + record.compress_size
        if at > size:
            return f"its record {shown} ends after the end of the file"
    return ""


def _pickle(archive: zipfile.ZipFile, record: zipfile.ZipInfo, budget: Budget) -> PickleScan | None:
    """Follow one pickle; None if it is too long, encrypted, or packed as torch never does."""
    packed = record.compress_type not in TORCH_PACKS or record.flag_bits & 1
    if packed or record.file_size > PICKLE_LIMIT:
        return None
    if record.file_size <= AT_ONCE:
        try:
            content = archive.read(record)
        except BROKEN:
            content = b""  # damaged: how far it can be followed is seen below
        if content:
            return scan(SkippingReader(io.BytesIO(content), len(content)), budget)
    with archive.open(record) as stream:
        return scan(SkippingReader(stream, record.file_size), budget)


def _lost(pickle: zipfile.ZipInfo, found: PickleScan, records: list[zipfile.ZipInfo]) -> str:
    """Name a tensor whose bytes are not in the archive."""
    if not found.complete:
        return ""
    folder = pickle.filename.removesuffix("data.pkl")
    sizes = {record.filename: record.file_size for record in records}
    for key, storage in found.storages.items():
        has = sizes.get(f"{folder}data/{key}")
        if has is None:
            return f"it has no record data/{ascii(key[:80])[1:-1]}, in which a tensor's bytes should be"
        if storage.size is not None and has < storage.size:
            return f"its record data/{ascii(key[:80])[1:-1]} has {has} bytes, and a tensor needs {storage.size}"
    return ""


def _inner(content: IO[bytes], records: list[zipfile.ZipInfo], budget: Budget) -> list[Archive]:
    """Read the checkpoints that are stored as uncompressed records in an archive of torch.export."""
    read = []
    for record in [r for r in records if r.filename.endswith(".pt")][:PICKLES_LIMIT]:
        if record.compress_type != zipfile.ZIP_STORED or not record.file_size:
            continue
        content.seek(record.header_offset)
        header = content.read(LOCAL_HEADER)
        start = LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        window = Window(content, record.header_offset + start, record.file_size)
        inner = read_archive(cast("IO[bytes]", window), record.file_size, budget, nested=True)
        read.append(inner or Archive(Form.OTHER, fault=f"its record {record.filename[:80]!a} is not an archive"))
    return read
