"""Reads the end of a log of any size, which tells why a process ended."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from seatrial.diagnosis.envelopes import plain

LARGEST = 8_000_000  # bytes that are read of a log: its end
_CHUNK = 1_000_000


@dataclass(frozen=True, slots=True)
class Log:
    """What was read of a log: its last `read` bytes of `size`, as text without what was around its lines."""

    text: str
    size: int
    read: int

    @property
    def lines(self) -> int:
        """How many lines there are to look at."""
        return self.text.count("\n") + bool(self.text)


def read(stream: BinaryIO) -> Log:
    """Read the end of a log; if it cannot seek, as a pipe cannot, all of it is read on the way.

    Raises:
        OSError: it cannot be read.
    """
    head, content, size = _end(stream)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"  # PowerShell's `>` writes UTF-16
    if encoding == "utf-16" and size > len(content):
        content = head[:2] + content[(size - len(content)) % 2 :]
    if size > len(content):
        content = content[content.find(b"\n") + 1 :] if encoding == "utf-8" else content
    return Log(plain(content.decode(encoding, errors="replace")), size, min(size, LARGEST))


def _end(stream: BinaryIO) -> tuple[bytes, bytes, int]:
    """Return the first bytes of a stream, the last `LARGEST`, and how many there are."""
    if stream.seekable():
        head = stream.read(2)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - LARGEST))
        return head, stream.read(LARGEST), size
    size, kept, head = 0, bytearray(), b""
    while chunk := stream.read(_CHUNK):
        head = head or chunk[:2]
        size += len(chunk)
        kept += chunk
        if len(kept) > 2 * LARGEST:
            del kept[:-LARGEST]
    return head, bytes(kept[-LARGEST:]), size
