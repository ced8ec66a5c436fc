"""Archives as facts: which of torch's formats a zip archive has, and what its records and those of a tar archive are.

Nothing is extracted. Directories are read up to a limit, and a record only when it is opened.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from seatrial.facts.checkpoints.kinds import HEAD, is_tar
from seatrial.facts.checkpoints.streams import Deflated, TooLongError, Unpacked, window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.facts.checkpoints.directory import Record
    from seatrial.facts.checkpoints.pickles import Storage

UNPACK_LIMIT = 64 << 20  # bytes of one record, a fraction of a second; tensors are records beside the pickle
AT_ONCE = 1 << 20  # bytes; opcodes of a short pickle come twice as fast from memory
_LOCAL = 30  # bytes before the name of a record; APPNOTE 4.3.7
_STORED, _DEFLATED = 0, 8  # what torch's own reader unpacks; APPNOTE 4.4.5
_BLOCK = 512  # bytes of a tar archive


class Form(StrEnum):
    """Which format of torch an archive has."""

    PICKLED = "torch.save"
    SCRIPTED = "torch.jit.save"
    EXPORTED = "torch.export.save"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name, its bytes as a stream, and how many there are at most."""

    name: str
    content: IO[bytes]
    size: int


def form_of(records: Sequence[Record]) -> Form:
    """Return which of torch's formats has records of these names; torch compares the names of forms exactly."""
    names = {record.name for record in records}
    ends = {name.split("/", 1)[-1] for name in names}
    if "constants.pkl" in ends:
        return Form.SCRIPTED
    if any(end.startswith("models/") for end in ends) or any(
        n.endswith("serialized_exported_program.json") for n in names
    ):
        return Form.EXPORTED
    return Form.PICKLED if any(is_data(record) for record in records) else Form.OTHER


def is_data(record: Record) -> bool:
    """Return whether torch.load unpickles a record, which it looks up without regard to case."""
    folded = record.folded
    return "data.pkl" in folded and PurePosixPath(folded).name == "data.pkl"


def is_tensor(record: Record) -> bool:
    """Return whether a record of an archive of torch holds the bytes of a tensor, which are not unpickled."""
    return re.search(r"(?:^|/)data/(?:\d+|weights/weight_\d+|constants/tensor_\d+)$", record.name) is not None


def fault_of(records: Sequence[Record], size: int, *, exactly: bool) -> str:
    """Return why the records cannot be of an archive that torch wrote, or of any; "" if they can be.

    With `exactly` names that differ in case are two names.
    """
    seen: set[str] = set()
    at = 0
    for record in sorted(records, key=lambda record: record.offset):
        name = record.name
        shown = ascii(name[:80])
        known = name if exactly else record.folded
        if known in seen:
            return f"it has two records of the name {shown}" + ("" if exactly else "; torch does not regard case")
        seen.add(known)
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":":
            return f"its record {shown} lies outside the archive"
        if record.offset < at:
            return f"its record {shown} overlaps another"
        at = record.offset + _LOCAL + record.packed
        if at > size:
            return f"its record {shown} ends after the end of the file"
    return ""


def opened(content: IO[bytes], record: Record, limit: int) -> Member | None:
    """Open a record as torch does; None if it is encrypted, packed as torch never does, too long, or not there."""
    content.seek(max(0, record.offset))
    header = content.read(_LOCAL)
    if record.encrypted or record.size > UNPACK_LIMIT >= record.packed or len(header) < _LOCAL or header[:2] != b"PK":
        return None
    start = record.offset + _LOCAL + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    if record.method == _STORED:
        if record.packed > AT_ONCE:
            return Member(record.name, window(content, start, record.packed), record.packed)
        content.seek(start)
        read = content.read(record.packed)
        return Member(record.name, io.BytesIO(read), len(read))
    if record.method != _DEFLATED:
        return None
    packed = window(content, start, record.packed)
    stream = Unpacked(packed, lambda: Deflated(raw=True), limit)
    if record.size <= AT_ONCE and (whole := _all(stream)) is not None:
        return Member(record.name, io.BytesIO(whole), len(whole))
    packed.seek(0)
    again: IO[bytes] = Unpacked(packed, lambda: Deflated(raw=True), limit)  # type: ignore[assignment]
    return Member(record.name, again, limit + 1)


def _all(stream: Unpacked) -> bytes | None:
    """Return what comes out of a stream if it is short and whole."""
    try:
        read = stream.read(AT_ONCE + 1)
    except (zlib.error, TooLongError):
        return None  # damaged: how far it can be followed is seen when it is read as a stream
    return read if len(read) <= AT_ONCE else None


def lost(name: str, storages: Mapping[str, Storage], records: Sequence[Record]) -> str:
    """Name a tensor of the pickle `name` whose bytes are not in the archive."""
    folder = name.lower().removesuffix("data.pkl")
    sizes = {record.folded: record.size for record in records}
    for key, storage in storages.items():
        has = sizes.get(f"{folder}data/{key}".lower())
        shown = ascii(key[:80])[1:-1]
        if has is None:
            return f"it has no record data/{shown}, in which a tensor's bytes should be"
        if storage.size is not None and has < storage.size:
            return f"its record data/{shown} has {has} bytes, and a tensor needs {storage.size}"
    return ""


def tar_members(content: IO[bytes], size: int) -> Iterator[Member | None]:
    """Yield the files in a tar archive, and None where it cannot be followed any further.

    The headers that only describe the next file are files here too, because nothing in them is trusted.
    """
    at = 0
    while at + _BLOCK <= size:
        content.seek(at)
        head = content.read(HEAD)
        if not head.strip(b"\0"):
            return
        if not is_tar(head):
            yield None
            return
        header = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        at += _BLOCK
        if header.size < 0 or at + header.size > size:
            yield None
            return
        if header.size:
            yield Member(header.name, window(content, at, header.size), header.size)
        at += -(-header.size // _BLOCK) * _BLOCK
