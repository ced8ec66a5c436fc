"""Binary streams that give a pickle's opcodes and step over its data, so that a tensor never comes into memory.

Long values are skipped. Compressed files are unpacked piece by piece, up to a limit.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from typing import IO, Protocol

SKIP_FROM = 1 << 16  # bytes; a longer string is a tensor, an image or a text, never a name
STEP = 1 << 22  # bytes stepped over at a time
PIECE = 1 << 18  # bytes unpacked at a time
LZMA_MEMORY = 64 << 20  # bytes; a file may ask for a dictionary of 4 GB


class Skipped(bytes):
    """Bytes that were stepped over: they have a length, and nothing to decode."""

    length: int

    @classmethod
    def of(cls, length: int) -> Skipped:
        """Stand for `length` bytes."""
        skipped = cls()
        skipped.length = length
        return skipped

    def __len__(self) -> int:
        return self.length


class SkippingReader(io.RawIOBase):
    """A part of a seekable binary stream, of which long reads are skipped: they give a length, all genops looks at.

    It begins at the stream's position, and counts from there.
    """

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._start = content.tell()
        self._end = self._start + size

    def read(self, length: int = -1) -> bytes:
        """Read `length` bytes, or skip them if they are too many to be a name."""
        here = self._content.tell()
        if not 0 <= length < SKIP_FROM:
            there = self._end if length < 0 else min(here + length, self._end)
            at = here
            while at < there and (now := self._content.seek(min(at + STEP, there))) > at:
                at = now  # a packed stream unpacks what it steps over
            return Skipped.of(at - here)
        return self._content.read(min(length, self._end - here))

    def readline(self, _limit: int | None = -1) -> bytes:
        """Read the rest of a line, which protocols 0 to 2 use for names."""
        return self._content.readline(min(SKIP_FROM, max(0, self._end - self._content.tell())))

    def tell(self) -> int:
        """Return the position in the part."""
        return self._content.tell() - self._start

    def ended(self) -> bool:
        """Return whether nothing is left."""
        return self._content.tell() >= self._end or not self._content.read(1)


class Window(io.RawIOBase):
    """A part of a seekable stream as a stream of its own, such as an archive inside an archive."""

    def __init__(self, content: IO[bytes], start: int, size: int) -> None:
        self._content, self._start, self._size, self._position = content, start, size, 0

    def seekable(self) -> bool:
        """Return True: it can be read at any position."""
        return True

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def tell(self) -> int:
        """Return the position in the part."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position in the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("a place before the beginning")
        self._position = base + offset
        return self._position

    def read(self, length: int = -1) -> bytes:
        """Read up to `length` bytes of the part."""
        left = max(0, self._size - self._position)
        length = left if length < 0 else min(length, left)
        self._content.seek(self._start + self._position)
        content = self._content.read(length)
        self._position += len(content)
        return content


class Decompressor(Protocol):
    """What bz2 and lzma offer, and zlib after a little help."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data was seen."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack at most `max_length` bytes; what is left over is kept for the next call."""


class _Zlib:
    """zlib's and gzip's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)

    @property
    def eof(self) -> bool:
        return self._unpack.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._unpack.decompress(self._unpack.unconsumed_tail + data, max_length)


class Unpacked(io.RawIOBase):
    """A compressed file as it is unpacked, a piece at a time; seeking goes only forward.

    Raises EOFError if more than `limit` bytes would come out.
    """

    def __init__(self, content: IO[bytes], unpack: Decompressor, limit: int) -> None:
        self._content, self._unpack, self._left = content, unpack, limit
        self._piece, self._at, self._position, self._starved = b"", 0, 0, True

    def tell(self) -> int:
        """Return the position in what comes out."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Step forward to a position in what comes out, or to its end."""
        if whence != io.SEEK_SET or offset < self._position:
            raise OSError("only forward")
        while self._position < offset and self._fill():
            self._take(offset - self._position)
        return self._position

    def read(self, length: int = -1) -> bytes:
        """Read `length` bytes, fewer at the end."""
        parts = []
        while length > 0 and self._fill():
            parts.append(self._take(length))
            length -= len(parts[-1])
        return b"".join(parts)

    def readline(self, limit: int | None = -1) -> bytes:
        """Read a line of at most `limit` bytes."""
        line = b""
        while limit is not None and len(line) < limit and self._fill():
            end = self._piece.find(b"\n", self._at, self._at + limit - len(line))
            line += self._take(end + 1 - self._at if end >= 0 else limit - len(line))
            if line.endswith(b"\n"):
                break
        return line

    def _take(self, length: int) -> bytes:
        taken = self._piece[self._at : self._at + length]
        self._at += len(taken)
        self._position += len(taken)
        return taken

    def _fill(self) -> bool:
        while self._at == len(self._piece):
            if self._unpack.eof:
                return False
            packed = self._content.read(PIECE) if self._starved else b""
            self._piece, self._at = self._unpack.decompress(packed, PIECE), 0
            if self._starved and not packed and not self._piece:
                return False
            self._starved = len(self._piece) < PIECE
            self._left -= len(self._piece)
            if self._left < 0:
                raise EOFError("unpacks to more than what is read")
        return True


def unpacked(content: IO[bytes], head: bytes, limit: int) -> Unpacked | None:
    """Return a stream that unpacks a file compressed as joblib does; None if it is not compressed."""
    unpack: Decompressor
    if head.startswith(b"\x1f\x8b") or head[:2] in (b"x\x01", b"x^", b"x\x9c", b"x\xda"):
        unpack = _Zlib()
    elif head.startswith(b"BZh"):
        unpack = bz2.BZ2Decompressor()
    elif head.startswith((b"\xfd7zXZ\x00", b"]\x00\x00")):
        unpack = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=LZMA_MEMORY)
    else:
        return None
    content.seek(0)
    return Unpacked(content, unpack, limit)
