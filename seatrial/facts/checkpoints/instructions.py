"""The instructions of a pickle, one by one, read as Python's own unpickler reads them.

pickletools is stricter: it ends at a number in hexadecimal or at a text that is not ASCII, where loading goes on.
"""

from __future__ import annotations

import contextlib
import pickletools
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seatrial.facts.checkpoints.streams import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.streams import SkippingReader

TEXT_LIMIT = 512  # characters; a longer string is not a name
INTEGER_LIMIT = 16  # bytes; a longer integer is data
_NAMES = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}
_NUMBERS = {
    **dict.fromkeys(("BINGET", "BINPUT", "BININT1", "EXT1", "PROTO"), struct.Struct("<B")),
    **dict.fromkeys(("BININT2", "EXT2"), struct.Struct("<H")),
    **dict.fromkeys(("BININT", "EXT4"), struct.Struct("<i")),
    **dict.fromkeys(("LONG_BINGET", "LONG_BINPUT"), struct.Struct("<I")),
    "FRAME": struct.Struct("<Q"),
    "BINFLOAT": struct.Struct(">d"),
}
_LENGTHS = {  # of a string, a number of bytes or an integer that follows
    **dict.fromkeys(("SHORT_BINSTRING", "SHORT_BINBYTES", "SHORT_BINUNICODE", "LONG1"), struct.Struct("<B")),
    **dict.fromkeys(("BINSTRING", "LONG4"), struct.Struct("<i")),
    **dict.fromkeys(("BINBYTES", "BINUNICODE"), struct.Struct("<I")),
    **dict.fromkeys(("BINBYTES8", "BYTEARRAY8", "BINUNICODE8"), struct.Struct("<Q")),
}
_LINES = frozenset(("INT", "LONG", "FLOAT", "STRING", "UNICODE", "GET", "PUT", "PERSID"))
_TEXTS = frozenset(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"))


class UnknownError(ValueError):
    """The next byte is no instruction."""


def instructions(reader: SkippingReader) -> Iterator[tuple[str, Any]]:
    """Yield (name, argument) of each instruction, up to STOP.

    A text is a str if it may be a name, else a Value, as bytes always are. A number that is data is None.

    Raises:
        EOFError, ValueError: it ends before its STOP, or Python would refuse it.
    """
    while True:
        code = reader.read(1)
        if not code:
            raise EOFError("a pickle without its STOP")
        name = _NAMES.get(code)
        if name is None:
            raise UnknownError(code)
        if number := _NUMBERS.get(name):
            yield name, number.unpack(_exactly(reader, number.size))[0]
        elif length := _LENGTHS.get(name):
            yield name, _counted(reader, name, length.unpack(_exactly(reader, length.size))[0])
        elif name in _LINES:
            yield name, _line(name, reader.line())
        elif name in ("GLOBAL", "INST"):
            yield name, (_name(reader.line()), _name(reader.line()))
        else:
            yield name, None
            if name == "STOP":
                return


def _exactly(reader: SkippingReader, length: int) -> bytes:
    content = reader.read(length)
    if len(content) < length:
        raise EOFError("a pickle that is cut off")
    return content


def _counted(reader: SkippingReader, name: str, length: int) -> Any:
    if length < 0:
        raise ValueError("a length below zero")
    if name.startswith("LONG"):
        value = reader.value(length, bound=INTEGER_LIMIT + 1)
        return None if value.short is None else int.from_bytes(value.short, "little", signed=True)
    value = reader.value(length, bound=4 * TEXT_LIMIT)
    return _text(value) if name in _TEXTS else value


def _text(value: Value) -> str | Value:
    """Return a text that may be a name; as it was read if it is too long."""
    written = None if value.short is None else value.short.decode("utf-8", "surrogateescape")
    return replace(value, is_text=True) if written is None or len(written) > TEXT_LIMIT else written


def _name(line: bytes | None) -> str | None:
    return None if line is None else line.decode("utf-8", "surrogateescape")


def _line(name: str, line: bytes | None) -> Any:
    if line is None:
        if name in ("STRING", "UNICODE", "PERSID"):
            return None
        raise ValueError("more digits than Python reads")
    if name in ("GET", "PUT"):
        return int(line)
    if name in ("INT", "LONG"):
        return _integer(line.rstrip(b"L" if name == "LONG" else b""))
    if name == "STRING":
        return _quoted(line.strip())
    if name == "UNICODE":
        return _bounded(line.decode("raw-unicode-escape", "replace"))
    return None


def _integer(line: bytes) -> int | bool | None:
    if line in (b"00", b"01"):
        return line == b"01"
    with contextlib.suppress(ValueError):
        return int(line, 0) if len(line) <= 4 * INTEGER_LIMIT else None
    return None


def _quoted(line: bytes) -> str | None:
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise ValueError("a text without quotes")
    return _bounded(line[1:-1].decode("unicode-escape", "replace"))


def _bounded(written: str) -> str | None:
    return written if len(written) <= TEXT_LIMIT else None
