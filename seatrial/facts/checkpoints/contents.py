"""What a stream holds, read by its content as a loader would: pickles, and what is packed around or inside them.

Archives, compressed files, arrays of objects and the bytes that a pickle gives to a loader are opened in turn, up to
limits of depth, of records and of what they unpack to.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, replace
from lzma import LZMAError
from typing import IO, TYPE_CHECKING, cast

from seatrial.facts.checkpoints.archive import (
    UNPACK_LIMIT,
    Form,
    Member,
    fault_of,
    form_of,
    is_data,
    is_tensor,
    lost,
    opened,
    tar_members,
)
from seatrial.facts.checkpoints.arrays import data_of
from seatrial.facts.checkpoints.directory import TooLargeError, as_miniz, read_directory
from seatrial.facts.checkpoints.kinds import HEAD, NUMPY, Kind, is_tar, kind_of
from seatrial.facts.checkpoints.opcodes import NESTED_LIMIT, scan
from seatrial.facts.checkpoints.pickles import PickleScan
from seatrial.facts.checkpoints.streams import SkippingReader, TooLongError, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.facts.checkpoints.directory import Record
    from seatrial.facts.checkpoints.opcodes import Budget
    from seatrial.facts.checkpoints.streams import Unpacked, Value

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER: the first pickle of a legacy file
LEGACY_OBJECT = 3  # torch.serialization._legacy_save: magic, protocol, sys_info, the object, the keys of storages
RECORDS_LIMIT = 4000  # of one archive that are opened
SEQUENCE_LIMIT = 64  # pickles one behind the other
IN_MEMORY = 32 << 20  # bytes of a compressed archive, which is unpacked to be read
SURELY = 500  # instructions: what can be followed so far is a pickle and nothing else
DAMAGED = (zlib.error, LZMAError, OSError, EOFError)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a stream holds.

    Attributes:
        kind: what it is.
        scans: the pickles that loading it follows.
        hidden: pickles in it that no loader is known to follow.
        held: the number of the pickle with the object that loading gives.
        fault: why it cannot be whole; "" if it can be.
        complete: whether all of it was read.
        too_long: whether that is because of a limit.
    """

    kind: Kind
    scans: tuple[PickleScan, ...] = ()
    hidden: tuple[PickleScan, ...] = ()
    held: int = 0
    fault: str = ""
    complete: bool = True
    too_long: bool = False

    def joined(self, others: Iterable[Contents]) -> Contents:
        """Return this with what `others` inside it hold."""
        inner = list(others)
        return replace(
            self,
            scans=(*self.scans, *(s for each in inner for s in each.scans)),
            hidden=(*self.hidden, *(s for each in inner for s in each.hidden)),
            fault=self.fault or next((each.fault for each in inner if each.fault), ""),
            complete=self.complete and all(each.complete for each in inner),
            too_long=self.too_long or any(each.too_long for each in inner),
        )


NOT_READ = Contents(Kind.OTHER, complete=False, too_long=True)


def read_contents(content: IO[bytes], size: int, budget: Budget, path: str = "", depth: int = 0) -> Contents:
    """Read a stream of `size` bytes; `path` is the name of the file, if it is one."""
    if depth > NESTED_LIMIT:
        return NOT_READ
    content.seek(0)
    head = content.read(HEAD)
    kind = kind_of(head, path)
    if kind is Kind.TORCH_ZIP:
        return _zip(content, size, budget, depth)
    if kind is Kind.NUMPY:
        return _arrays(content, size, budget, depth)
    if kind not in (Kind.PICKLE, Kind.OTHER, Kind.SAFETENSORS):
        return Contents(kind, complete=kind is not Kind.PACKED)
    found = _packed(content, head, budget, depth)
    if found is None or found.kind is Kind.OTHER:
        content.seek(0)
        plain = _pickles(SkippingReader(content, size), budget, depth, kind=kind, size=size)
        found = found if found and plain.kind is Kind.OTHER else plain
    if is_tar(head):
        return _tar(content, size, budget, depth).joined([found])
    return _with_archive_behind(found, content, size, budget, depth)


def _with_archive_behind(found: Contents, content: IO[bytes], size: int, budget: Budget, depth: int) -> Contents:
    """Add the archive that torch's own reader finds in a file that begins with something else."""
    try:
        if not as_miniz(content, size):
            return found
    except TooLargeError:
        pass
    archive = _zip(content, size, budget, depth)
    return archive if found.kind is Kind.OTHER else found.joined([archive])


def _member(member: Member, budget: Budget, depth: int) -> Contents:
    """Read a file in an archive."""
    if member.content.seekable():
        return read_contents(member.content, member.size, budget, depth=depth + 1)
    return _forward(cast("Unpacked", member.content), budget, depth + 1)


def _packed(content: IO[bytes], head: bytes, budget: Budget, depth: int) -> Contents | None:
    """Read a compressed file; None if it is not compressed."""
    stream = unpacked(content, head, min(UNPACK_LIMIT, budget.unpacked))
    if stream is None:
        return None
    limit = stream.left
    try:
        return _forward(stream, budget, depth)
    except DAMAGED:
        surely = head[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7")
        return Contents(Kind.PICKLE, fault="its packed bytes are damaged", complete=False) if surely else None
    except TooLongError:
        return NOT_READ
    finally:
        budget.unpacked -= limit - max(0, stream.left)


def _forward(stream: Unpacked, budget: Budget, depth: int) -> Contents:
    """Read a stream that has no way back: pickles as they come, an archive or an array out of memory.

    Raises what unpacking raises.
    """
    head = stream.peek(HEAD)
    kind = kind_of(head, "")
    if kind in (Kind.TORCH_ZIP, Kind.NUMPY) or is_tar(head) or unpacked(io.BytesIO(), head, 0):
        whole = stream.read(IN_MEMORY + 1)
        return (
            NOT_READ if len(whole) > IN_MEMORY else read_contents(io.BytesIO(whole), len(whole), budget, "", depth + 1)
        )
    reader = SkippingReader(cast("IO[bytes]", stream), UNPACK_LIMIT + 1)
    return _pickles(reader, budget, depth, kind=kind, packed=True)


def _pickles(
    reader: SkippingReader, budget: Budget, depth: int, *, kind: Kind, packed: bool = False, size: int | None = None
) -> Contents:
    """Follow the pickles that stand one behind the other, or the five that a legacy file of torch begins with."""
    first, surely = _one(reader, budget)
    if not (surely or kind is Kind.PICKLE or (packed and first.protocol)):
        return Contents(Kind.OTHER, hidden=(first,))  # a text may begin like a pickle of protocol 0
    if first.integer == LEGACY_MAGIC:
        return _second_look(_legacy(first, reader, budget, size), budget, depth)
    scans, too_long = [first], False
    while scans[-1].complete and reader.left() > 0:
        following, surely = _one(reader, budget)
        if not surely:
            break  # something else stands behind the pickle
        scans.append(following)
        if len(scans) == SEQUENCE_LIMIT:
            too_long = True
            break
    return _second_look(Contents(Kind.PICKLE, tuple(scans), complete=not too_long, too_long=too_long), budget, depth)


def _one(reader: SkippingReader, budget: Budget) -> tuple[PickleScan, bool]:
    """Follow one pickle, and say whether it certainly is one."""
    before = budget.opcodes
    found = scan(reader, budget)
    long = found.too_long and before - budget.opcodes >= SURELY
    return found, found.complete or found.acts or long


def _legacy(first: PickleScan, reader: SkippingReader, budget: Budget, size: int | None) -> Contents:
    scans = [first]
    for _ in range(LEGACY_OBJECT + 1):
        scans.append(scan(reader, budget))
        if not scans[-1].complete:
            return Contents(Kind.TORCH_LEGACY, tuple(scans), held=LEGACY_OBJECT)
    # torch.serialization._legacy_save: a length of 8 bytes before the bytes of each storage
    sizes = [storage.size for storage in scans[LEGACY_OBJECT].storages.values()]
    needed, has = sum(8 + n for n in sizes if n is not None), (size or 0) - reader.tell()
    cut = size is not None and None not in sizes and has < needed
    fault = f"its tensors need {needed} bytes, and the file has {has} after its pickles" if cut else ""
    return Contents(Kind.TORCH_LEGACY, tuple(scans), held=LEGACY_OBJECT, fault=fault)


def _second_look(found: Contents, budget: Budget, depth: int) -> Contents:
    """Read the bytes in pickles that are pickles or archives themselves."""
    loaded = [value for each in found.scans for value in each.loaded]
    held = [value for each in found.scans for value in each.held if value not in loaded]
    inside = found.joined(_value(value, budget, depth) for value in loaded)
    beside = [_value(value, budget, depth) for value in held]
    return replace(inside, hidden=(*inside.hidden, *(s for each in beside for s in (*each.scans, *each.hidden))))


def _value(value: Value | None, budget: Budget, depth: int) -> Contents:
    part = value.opened() if value else None
    return NOT_READ if part is None else read_contents(*part, budget, depth=depth + 1)


def _arrays(content: IO[bytes], size: int, budget: Budget, depth: int) -> Contents:
    """Read the arrays that numpy wrote one behind the other; those of objects are pickles."""
    found, at = Contents(Kind.NUMPY), 0
    for _ in range(SEQUENCE_LIMIT):
        content.seek(at)
        if content.read(len(NUMPY)) != NUMPY:
            return found
        begin, length = data_of(content, at)
        if length is None:
            content.seek(begin)
            reader = SkippingReader(content, size - begin)
            inner = _pickles(reader, budget, depth, kind=Kind.OTHER)
            return found.joined([inner])
        at = begin + length
    return replace(found, complete=False, too_long=True)


def _tar(content: IO[bytes], size: int, budget: Budget, depth: int) -> Contents:
    found = Contents(Kind.ARCHIVE)
    for number, member in enumerate(tar_members(content, size)):
        if member is None or number == RECORDS_LIMIT:
            return replace(found, complete=False)
        inner = _member(member, budget, depth)
        found = found.joined([inner])
        if member.name == "storages" and inner.scans:  # torch.serialization.legacy_load: raw tensors between pickles
            found = replace(found, complete=False)
    return found


def _zip(content: IO[bytes], size: int, budget: Budget, depth: int) -> Contents:
    try:
        directory = read_directory(content, size)
    except TooLargeError:
        return Contents(Kind.TORCH_ZIP, complete=False, too_long=True)
    if directory is None:
        return Contents(Kind.TRUNCATED)
    records, form = directory.records, form_of(directory.records)
    fault = directory.fault or fault_of(records, size, exactly=form is Form.OTHER)
    if form is Form.SCRIPTED:
        return Contents(Kind.TORCHSCRIPT, fault=fault).joined(_of_script(content, records, budget, depth))
    kinds = {Form.PICKLED: Kind.TORCH_ZIP, Form.EXPORTED: Kind.EXPORTED, Form.OTHER: Kind.ARCHIVE}
    found = Contents(kinds[form], fault=fault).joined(_data(content, records, budget, depth))
    rest = [r for r in records if not is_data(r) and (form is Form.OTHER or not is_tensor(r))]
    for record in rest[:RECORDS_LIMIT]:
        found = found.joined([_record(content, record, form, budget, depth)])
    if len(rest) > RECORDS_LIMIT:
        found = replace(found, complete=False, too_long=True)
    names_nothing = not any(scan.globals for scan in (*found.scans, *found.hidden))
    return replace(found, kind=Kind.OTHER) if form is Form.OTHER and names_nothing else found


def _data(content: IO[bytes], records: tuple[Record, ...], budget: Budget, depth: int) -> Iterable[Contents]:
    """Yield what the pickles of an archive of torch hold: torch unpickles them whatever they look like."""
    data = [record for record in records if is_data(record)]
    for record in data[:SEQUENCE_LIMIT]:
        member = opened(content, record, min(UNPACK_LIMIT, budget.unpacked))
        if member is None:
            yield NOT_READ
            continue
        reader = SkippingReader(member.content, member.size)
        found = _pickles(reader, budget, depth, kind=Kind.PICKLE)
        first = found.scans[0]
        yield replace(
            found, fault=found.fault or (lost(record.name, first.storages, records) if first.complete else "")
        )
    if len(data) > SEQUENCE_LIMIT:
        yield NOT_READ


def _of_script(content: IO[bytes], records: tuple[Record, ...], budget: Budget, depth: int) -> Iterable[Contents]:
    """Yield what the pickles of TorchScript name beside its own types; Python never loads them."""
    for found in _data(content, records, budget, depth):
        for each in found.scans:
            for name in [name for name in each.globals if name[0].startswith("__torch__")]:
                del each.globals[name]
                each.called.pop(name, None)
        yield Contents(Kind.TORCHSCRIPT, hidden=found.scans)


def _record(content: IO[bytes], record: Record, form: Form, budget: Budget, depth: int) -> Contents:
    """Read another record of an archive."""
    member = opened(content, record, min(UNPACK_LIMIT, budget.unpacked))
    if member is None:
        return Contents(Kind.OTHER, complete=form is not Form.OTHER)
    try:
        found = _member(member, budget, depth)
    except DAMAGED:
        return Contents(Kind.OTHER)
    except TooLongError:
        return NOT_READ
    if form is Form.EXPORTED and record.name.endswith(".pt") and found.kind in (Kind.OTHER, Kind.TRUNCATED):
        return replace(found, fault=f"its record {record.name[:80]!a} is not an archive")
    return found
