"""The directory of a zip archive, read as torch reads it and as Python's zipfile does.

torch reads archives with miniz, which takes the directory at the offset that the end record gives, and compares names
without regard to case. zipfile takes it directly before the end record. An archive in which the two find different
records shows a checker one thing and a loader another.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

DIRECTORY_LIMIT = 4 << 20  # bytes, about 50 000 records
_END = struct.Struct("<4s4H2LH")  # end of central directory record; APPNOTE 4.3.16
_LOCATOR = struct.Struct("<4sLQL")  # zip64 end of central directory locator; APPNOTE 4.3.15
_END_64 = struct.Struct("<4sQ2H2L4Q")  # zip64 end of central directory record; APPNOTE 4.3.14
_ENTRY = struct.Struct("<4s6H3L5H2L")  # central directory header; APPNOTE 4.3.12
_COMMENT = 0xFFFF  # bytes of the longest comment, in which both look for the end record
_UNSAID = 0xFFFFFFFF  # a number that stands in the zip64 extra field instead
_ZIP64 = 1  # the number of that field; APPNOTE 4.5.3


class TooLargeError(Exception):
    """The directory has more records than are read."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an archive: its name, the offset of its header, how it is packed, and its sizes."""

    name: str
    offset: int
    method: int
    encrypted: bool
    packed: int
    size: int

    @property
    def folded(self) -> str:
        """The name as miniz compares it: only the letters of ASCII have no case."""
        name = self.name
        return name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the end records say.

    Attributes:
        at: where they begin, which is where the directory should end.
        count: the number of records.
        size: bytes of the directory.
        offset: where the directory begins.
    """

    at: int
    count: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The records of an archive, and why it cannot be what torch wrote: "" if it can be."""

    records: tuple[Record, ...]
    fault: str = ""


def read_directory(content: IO[bytes], size: int) -> Directory | None:
    """Read the directory of an archive of `size` bytes; None if there is none.

    Where the two ways of reading differ, the records of both are returned.

    Raises:
        TooLargeError: there are too many records.
    """
    given = as_miniz(content, size)
    before = _as_zipfile(content, size)
    if given is None and before is None:
        return None
    if given is None:
        return Directory(before or (), "its directory does not lie where its end record says")
    if before is not None and given != before:
        return Directory(tuple(dict.fromkeys((*given, *before))), "it has two directories that differ")
    if before is None:
        return Directory(given, "its directory does not end where its end record begins")
    first = min((record.offset for record in given), default=0)
    return Directory(given, "it has other bytes before its first record" if first else "")


def as_miniz(content: IO[bytes], size: int) -> tuple[Record, ...] | None:
    """Return the records of the directory at the offset that the end record gives; None if torch reads none."""
    ends = _ends(content, size, by_locator=True)
    if ends is None or ends.size < ends.count * _ENTRY.size or ends.offset + ends.size > size:
        return None
    return _records(content, ends, ends.offset, ends.count)


def _as_zipfile(content: IO[bytes], size: int) -> tuple[Record, ...] | None:
    ends = _ends(content, size, by_locator=False)
    return None if ends is None or ends.size > ends.at else _records(content, ends, ends.at - ends.size, None)


def _ends(content: IO[bytes], size: int, *, by_locator: bool) -> _Ends | None:
    """Read the end record, and the one of zip64: where its locator says, or directly before the locator."""
    begin = max(0, size - _END.size - _COMMENT)
    content.seek(begin)
    tail = content.read(size - begin)
    at = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size + 4))
    if at < 0:
        return None
    _, _, _, _, count, length, offset, _ = _END.unpack_from(tail, at)
    ends = _Ends(begin + at, count, length, offset)
    if ends.at < _LOCATOR.size:
        return ends
    signature, _, place, _ = _LOCATOR.unpack(_at(content, ends.at - _LOCATOR.size, _LOCATOR.size))
    before = ends.at - _LOCATOR.size - _END_64.size
    place = place if by_locator else before
    if signature != b"PK\x06\x07" or not 0 <= place <= size - _END_64.size:
        return ends
    signature, *_, count, length, offset = _END_64.unpack(_at(content, place, _END_64.size))
    return _Ends(place, count, length, offset) if signature == b"PK\x06\x06" else ends


def _records(content: IO[bytes], ends: _Ends, begin: int, count: int | None) -> tuple[Record, ...] | None:
    """Read `count` records of a directory that begins at `begin`, or all; None if it is damaged."""
    if ends.size > DIRECTORY_LIMIT:
        raise TooLargeError
    directory = _at(content, begin, ends.size)
    shift = 0 if count is not None else begin - ends.offset
    found: list[Record] = []
    at = 0
    while at < len(directory) if count is None else len(found) < count:
        if at + _ENTRY.size > len(directory):
            return None
        signature, _, _, flags, method, _, _, _, packed, size, names, extra, comment, _, _, _, offset = (
            _ENTRY.unpack_from(directory, at)
        )
        name = directory[at + _ENTRY.size : at + _ENTRY.size + names]
        fields = directory[at + _ENTRY.size + names : at + _ENTRY.size + names + extra]
        at += _ENTRY.size + names + extra + comment
        if signature != b"PK\x01\x02" or at > len(directory):
            return None
        size, packed, offset = _long(fields, size, packed, offset)
        found.append(
            Record(name.decode("utf-8", "surrogateescape"), offset + shift, method, bool(flags & 1), packed, size)
        )
    return tuple(found)


def _long(fields: bytes, *numbers: int) -> list[int]:
    """Return sizes and offset, of which those that say nothing stand in the field of zip64."""
    told = list(numbers)
    at = 0
    while at + 4 <= len(fields):
        number, length = struct.unpack_from("<HH", fields, at)
        if number == _ZIP64:
            inside = fields[at + 4 : at + 4 + length]
            for index in (n for n, value in enumerate(numbers) if value == _UNSAID):
                if len(inside) < 8:
                    break
                told[index], inside = int.from_bytes(inside[:8], "little"), inside[8:]
            break
        at += 4 + length
    return told


def _at(content: IO[bytes], place: int, length: int) -> bytes:
    content.seek(place)
    read = content.read(length)
    return read.ljust(length, b"\0")
