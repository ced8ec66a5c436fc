"""The libraries that a shared object needs: DT_NEEDED of an ELF file, read from its bytes, within limits.

Nothing is loaded. A file that is not little-endian ELF64, or whose tables point outside it, needs nothing here.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian: System V ABI, "ELF Identification"
_PROGRAM = struct.Struct("<IIQQQQQQ")  # type, flags, offset, address, physical, size in file, in memory, alignment
_DYNAMIC = struct.Struct("<qQ")  # tag, value
_LOAD, _DYNAMIC_SEGMENT = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ = 0, 1, 5, 10
_LONGEST_NAME = 255  # of a file, in bytes
_MOST_SEGMENTS, _MOST_DYNAMIC, _MOST_STRINGS = 256, 65_536, 8_388_608  # the last two in bytes; torch's own have 30 kB


def needed(file: Path) -> tuple[str, ...]:
    """Return the names of the libraries that a shared object is linked with, in its order; () if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return _needed(opened)
    except (OSError, struct.error, UnicodeDecodeError, OverflowError, ValueError):
        return ()


def _needed(opened: BinaryIO) -> tuple[str, ...]:
    header = opened.read(64)
    if not header.startswith(_MAGIC):
        return ()
    (table,) = struct.unpack_from("<Q", header, 32)
    entry_size, count = struct.unpack_from("<HH", header, 54)
    if entry_size < _PROGRAM.size or not 0 < count <= _MOST_SEGMENTS:
        return ()
    raw = _at(opened, table, entry_size * count)
    segments = [_PROGRAM.unpack_from(raw, entry_size * n) for n in range(count)]
    dynamic = next((s for s in segments if s[0] == _DYNAMIC_SEGMENT), None)
    if dynamic is None:
        return ()
    content = _at(opened, dynamic[2], min(dynamic[5], _MOST_DYNAMIC))
    tags: list[tuple[int, int]] = []
    for tag, value in _DYNAMIC.iter_unpack(content[: len(content) // _DYNAMIC.size * _DYNAMIC.size]):
        if tag == _DT_NULL:
            break
        tags.append((tag, value))
    values = dict(tags)
    address, size = values.get(_DT_STRTAB), min(values.get(_DT_STRSZ, 0), _MOST_STRINGS)
    home = next((s for s in segments if s[0] == _LOAD and address is not None and s[3] <= address < s[3] + s[5]), None)
    if home is None or address is None:
        return ()
    strings = _at(opened, home[2] + address - home[3], size)
    offsets = [value for tag, value in tags if tag == _DT_NEEDED and value < len(strings)]
    return tuple(strings[offset : offset + _LONGEST_NAME].partition(b"\0")[0].decode("ascii") for offset in offsets)


def _at(opened: BinaryIO, offset: int, size: int) -> bytes:
    opened.seek(offset)
    return opened.read(size)
