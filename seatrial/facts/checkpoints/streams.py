"""Binary streams that give a pickle's opcodes and step over its data, so that a tensor never comes into memory.

Long values are skipped. Compressed files are unpacked piece by piece, up to a limit.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Protocol

SKIP_FROM = 1 << 16  # bytes; a longer string is a tensor, an image or a text, never a name
TEXT = 16 << 20  # bytes of a text that are read for a second look
KEPT = 8 << 20  # bytes of values that a stream without a way back keeps for a second look
STEP = 1 << 22  # bytes stepped over at a time
PIECE = 1 << 18  # bytes unpacked at a time
LZMA_MEMORY = 64 << 20  # bytes; a file may ask for a dictionary of 4 GB


@dataclass(frozen=True, slots=True)
class Value:
    """A string of bytes or characters in a pickle: where it is, and itself if it is short.

    Attributes:
        length: in bytes.
        short: its bytes, if they may be a name; else None.
        kept: its bytes, if the stream has no way back and there was room to keep them.
        place: the stream and the position at which it can be read again; None if there is no way back.
        is_text: whether it is a text in UTF-8.
    """

    length: int
    short: bytes | None = None
    kept: bytes | None = None
    place: tuple[IO[bytes], int] | None = None
    is_text: bool = False

    def begins(self, heads: tuple[bytes, ...]) -> bool:
        """Return whether its first bytes are one of `heads`, as far as they can still be read."""
        content = self.short if self.kept is None else self.kept
        if content is None and self.place is not None:
            stream, start = self.place
            here = stream.tell()
            stream.seek(start)
            content = stream.read(max(map(len, heads)))
            stream.seek(here)
        return content is not None and content.startswith(heads)

    def opened(self) -> tuple[IO[bytes], int] | None:
        """Return the bytes as a stream of their own, and its size; None if they are gone.

        A text gives the bytes that it stands for: pickles of protocols 0 to 2 write bytes as a text in Latin-1.
        """
        kept = self.short if self.kept is None else self.kept
        if self.place is not None:
            part = window(*self.place, self.length)
            if not self.is_text:
                return part, self.length
            kept = part.read() if self.length <= TEXT else None
        if kept is not None and self.is_text:
            kept = kept.decode("utf-8", "replace").encode("latin-1", "replace")
        return None if kept is None else (io.BytesIO(kept), len(kept))


class SkippingReader:
    """A part of a binary stream, of which long values are skipped.

    It begins at the stream's position, and counts from there.
    """

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._start = content.tell()
        self._end = self._start + size
        self._room = KEPT

    def read(self, length: int) -> bytes:
        """Read up to `length` bytes."""
        left = self._end - self._content.tell()
        return self._content.read(length if length <= left else max(0, left))

    def skip(self, length: int) -> int:
        """Step over up to `length` bytes, and return how many there were."""
        here = at = self._content.tell()
        there = min(here + length, self._end)
        while at < there and (now := self._content.seek(min(at + STEP, there))) > at:
            at = now  # a packed stream unpacks what it steps over
        return at - here

    def value(self, length: int, *, bound: int = SKIP_FROM) -> Value:
        """Read a value of `length` bytes, or step over it if it is longer than `bound`.

        Raises EOFError if it is cut off.
        """
        here = self._content.tell()
        way_back = self._content.seekable()
        place = (self._content, here) if way_back else None
        if length < bound or (not way_back and length <= self._room):
            content = self.read(length)
            if len(content) < length:
                raise EOFError("a value that is cut off")
            if length < bound:
                return Value(length, content, None, place)
            self._room -= length
            return Value(length, None, content, place)
        if self.skip(length) < length:
            raise EOFError("a value that is cut off")
        return Value(length, None, None, place)

    def line(self) -> bytes | None:
        """Read the rest of a line, without its end; None if it is too long to be a name.

        Raises EOFError if it has no end.
        """
        line = self._content.readline(min(SKIP_FROM, max(0, self._end - self._content.tell())))
        if line.endswith(b"\n"):
            return line[:-1]
        while line and not line.endswith(b"\n"):
            line = self._content.readline(min(SKIP_FROM, max(0, self._end - self._content.tell())))
        if not line:
            raise EOFError("a line without an end")
        return None

    def tell(self) -> int:
        """Return the position in the part."""
        return self._content.tell() - self._start

    def left(self) -> int:
        """Return how many bytes the part has after the position, if its size is right."""
        return self._end - self._content.tell()

    def ended(self) -> bool:
        """Return whether nothing is left."""
        return self._content.tell() >= self._end or not self._content.read(1)


class Window(io.RawIOBase):
    """A part of a seekable stream as a stream of its own, such as an archive inside an archive."""

    def __init__(self, content: IO[bytes], start: int, size: int) -> None:
        self._content, self._start, self._size, self._position = content, start, max(0, size), 0

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

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer what is left of the part, or as much as fits."""
        self._content.seek(self._start + self._position)
        content = self._content.read(min(len(buffer), max(0, self._size - self._position)))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def window(content: IO[bytes], start: int, size: int) -> IO[bytes]:
    """Return a part of a seekable stream as a buffered stream."""
    return io.BufferedReader(Window(content, start, size))


class Decompressor(Protocol):
    """What bz2 and lzma offer, and zlib after a little help."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data was seen."""

    @property
    def unused_data(self) -> bytes:
        """What was given behind that end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack at most `max_length` bytes; what is left over is kept for the next call."""


class Deflated:
    """zlib's decompressor with the interface of the others: for zlib and gzip, or for the raw data of an archive."""

    def __init__(self, *, raw: bool = False) -> None:
        self._unpack = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data was seen."""
        return self._unpack.eof

    @property
    def unused_data(self) -> bytes:
        """What was given behind that end."""
        return self._unpack.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack at most `max_length` bytes."""
        return self._unpack.decompress(self._unpack.unconsumed_tail + data, max_length)


class TooLongError(Exception):
    """A compressed file unpacks to more than what is read."""


class Unpacked(io.RawIOBase):
    """A compressed file as it is unpacked, a piece at a time; seeking goes only forward.

    What is packed in several streams, one behind the other, is unpacked as one, as gzip, bz2 and lzma do it. Raises
    TooLongError if more than `limit` bytes would come out.
    """

    def __init__(self, content: IO[bytes], packing: Callable[[], Decompressor], limit: int) -> None:
        self._content, self._packing, self.left = content, packing, limit
        self._unpack = packing()
        self._piece, self._at, self._position, self._starved = b"", 0, 0, True

    def seekable(self) -> bool:
        """Return False: there is no way back."""
        return False

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

    def peek(self, length: int) -> bytes:
        """Return the next bytes, up to `length` and to a piece, without reading them."""
        return self._piece[self._at : self._at + length] if self._fill() else b""

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
            ended = self._unpack.eof
            packed = self._unpack.unused_data if ended else b""
            packed = packed or (self._content.read(PIECE) if ended or self._starved else b"")
            if ended:
                if not packed.strip(b"\0"):
                    return False
                self._unpack, self._starved = self._packing(), True
            try:
                self._piece, self._at = self._unpack.decompress(packed, PIECE), 0
            except (zlib.error, lzma.LZMAError, OSError):
                if ended:
                    return False  # what stands behind the packed data is something else
                raise
            if self._starved and not packed and not self._piece:
                return False
            self._starved = len(self._piece) < PIECE
            self.left -= len(self._piece)
            if self.left < 0:
                raise TooLongError
        return True


def unpacked(content: IO[bytes], head: bytes, limit: int) -> Unpacked | None:
    """Return a stream that unpacks a file compressed as joblib does; None if it is not compressed."""
    packing: Callable[[], Decompressor]
    if head.startswith(b"\x1f\x8b") or head[:2] in (b"x\x01", b"x^", b"x\x9c", b"x\xda"):
        packing = Deflated
    elif head.startswith(b"BZh"):
        packing = bz2.BZ2Decompressor
    elif head.startswith((b"\xfd7zXZ\x00", b"]\x00\x00")):
        packing = partial(lzma.LZMADecompressor, lzma.FORMAT_AUTO, memlimit=LZMA_MEMORY)
    else:
        return None
    content.seek(0)
    return Unpacked(content, packing, limit)
