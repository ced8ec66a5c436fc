"""How many frames the AV1 data of an AVIF file holds: the decoder decodes all of them and shows the first.

The boxes are those of ISO/IEC 14496-12, the items those of 23008-12, the units those of the AV1 specification, 5.3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMES = (3, 6, 7)  # OBU_FRAME_HEADER, OBU_FRAME, OBU_REDUNDANT_FRAME_HEADER
_MOST = 20_000  # boxes, items, pieces of items or units; a still image has some dozens
_INSIDE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")  # the way to the samples of an image sequence


def most_frames(data: bytes) -> int:
    """Return the frames of the item, or of the first sample, that has most of them.

    Raises:
        ValueError: there are too many parts, or they name the same bytes again.
        struct.error: a box ends too early.
    """
    return max((_frames(one) for one in _coded(data)), default=0)


def _coded(data: bytes) -> Iterator[bytes]:
    """Yield the data of every item and of every track's first sample."""
    for kind, box in _boxes(data):
        if kind == b"meta":
            parts = list(_boxes(box[4:]))
            within = next((part for name, part in parts if name == b"idat"), b"")
            for name, part in parts:
                if name == b"iloc":
                    yield from _items(part, data, within)
        elif kind == _INSIDE[0]:
            yield from _samples(box, data, _INSIDE[1:])


def _samples(box: bytes, data: bytes, inside: tuple[bytes, ...]) -> Iterator[bytes]:
    parts = list(_boxes(box))
    for kind, part in parts:
        if inside and kind == inside[0]:
            yield from _samples(part, data, inside[1:])
    table = dict(parts)
    offsets = table.get(b"stco") or table.get(b"co64")
    if offsets and b"stsz" in table:
        (at,) = struct.unpack_from(">I" if b"stco" in table else ">Q", offsets, 8)
        size, _, first = struct.unpack_from(">III", table[b"stsz"] + bytes(4), 4)
        yield data[at : at + (size or first)]


def _items(box: bytes, data: bytes, within: bytes) -> Iterator[bytes]:
    """Yield the data of each item that a box `iloc` places."""
    version = box[0]
    sizes = [box[4] >> 4, box[4] & 15, box[5] >> 4, box[5] & 15 if version else 0]
    wide = 4 if version == 2 else 2  # bytes of a count and of an item's number
    at = 6 + wide
    total = pieces_in_all = 0
    for _ in range(_number(box, 6, wide)):
        method = _number(box, at + wide, 2) & 15 if version else 0
        at += wide + (2 if version else 0) + 2
        base = _number(box, at, sizes[2])
        count = _number(box, at + sizes[2], 2)
        at += sizes[2] + 2
        pieces_in_all += 1 + count
        _require(pieces_in_all <= _MOST)
        pieces = []
        for _ in range(count):
            at += sizes[3]
            start, length = base + _number(box, at, sizes[0]), _number(box, at + sizes[0], sizes[1])
            at += sizes[0] + sizes[1]
            source = within if method == 1 else data
            pieces.append(source[start : start + length if length else len(source)])
            total += len(pieces[-1])
            _require(total <= 2 * len(data))
        yield b"".join(pieces)


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise struct.error("a box ends too early")
    return int.from_bytes(data[at : at + size], "big")


def _require(fits: bool) -> None:
    if not fits:
        raise ValueError("it has too many parts, or they name the same bytes again")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = count = 0
    while at + 8 <= len(data):
        count += 1
        _require(count <= _MOST)
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
            head = 16
        end = at + size if size else len(data)
        yield kind, data[at + head : end]
        at = max(end, at + head)


def _frames(data: bytes) -> int:
    """Count the frames of a sequence of units."""
    units = count = at = 0
    while at < len(data):
        units += 1
        _require(units <= _MOST)
        head = data[at]
        count += head >> 3 & 15 in _FRAMES
        at += 2 if head & 4 else 1  # with an extension
        if not head & 2:
            break  # without a size it goes to the end
        size = shift = 0
        for byte in data[at : at + 8]:  # leb128
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        at += size
    return count
