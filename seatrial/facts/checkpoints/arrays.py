"""The header of a numpy array in a file: whether a pickle follows it, and where the next array begins."""

from __future__ import annotations

import ast
import re
from math import prod
from typing import IO

_HEADER_LIMIT = 1 << 16  # bytes that are read of a header; numpy itself reads 10 000 characters
_SIZE = re.compile(r"[<>|=]?[biufcmMSUV](\d+)(?:\[.*\])?")


def data_of(content: IO[bytes], at: int) -> tuple[int, int | None]:
    """Return where the data of the array at `at` begins, and its length; None if it is a pickle of objects."""
    content.seek(at + 6)
    major, _ = version if len(version := content.read(2)) == 2 else (0, 0)
    width = 2 if major == 1 else 4
    length = int.from_bytes(content.read(width), "little")
    begin = at + 8 + width + length
    text = content.read(min(length, _HEADER_LIMIT)).decode("latin-1")
    try:
        header = ast.literal_eval(text.strip())
        descr, shape = header["descr"], header["shape"]
        size = _SIZE.fullmatch(descr) if isinstance(descr, str) else None
        count = prod(shape)
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        return begin, None  # nothing that is known to be plain data
    if size is None:
        plain = isinstance(descr, list) and "O" not in repr(descr)
        return begin, 0 if plain else None
    return begin, count * int(size[1]) * (4 if "U" in descr else 1)
