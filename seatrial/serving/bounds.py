"""Bounds on the work that an image file asks of its decoder, looked at before it is decoded.

A decoder runs in C and cannot be interrupted, and how long it takes is not a matter of pixels alone: formats let a
small file ask for the same pixels again and again, or for the same bytes of its header. What exceeds a bound here is
refused; no encoder writes such files.
"""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING

from seatrial.serving.av1 import most_frames
from seatrial.serving.refusal import AnswerError

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow's parsers of headers are loops in Python over what the file says. A header has some hundreds of pieces, of
# which each takes one to four reads; a profile of 1 MB in a GIF takes 8,000, in blocks of 255 bytes.
_HEADER_READS = 20_000
_READ_AGAIN = 4  # times the file's length; Pillow reads a JPEG twice, and the tags of a TIFF up to three times
_SLACK = 1 << 20  # bytes
_BYTES_OF_A_PIXEL = 8  # the most that Pillow reads: 4 bands of 16 bits

# Skia (SkJpegDecoderMgr.cpp) and libtiff (tif_jpeg.c) decode at most 100 scans. libjpeg's
# own progressive files have 10 (jcparam.c: jpeg_simple_progression), those of mozjpeg about as many.
_SCANS = 100
# Times the pixel limit: a scan of a JPEG, or a frame of AV1, takes 2 ns a pixel (one core, libjpeg-turbo 3.2, dav1d),
# so that the largest image of ten scans takes 2 s and any other at most 4. Unbounded, 534 kB of 1,000 scans took 78.
_SCANNED = 20

_EXIF_BYTES = 1 << 20  # Exif 3.0, 4.7.2: it fits one segment, 64 kB; some write several
_EXIF_AGAIN = 16  # times its length that its values may have; damaged files name too much once or twice
_TIFFS = 64  # heads of TIFF, which EXIF begins with, within one file


class Opening(io.BytesIO):
    """A file as Pillow opens it: its header may be read in so many pieces, and nothing in it over and over."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = _HEADER_READS
        self._bytes = _READ_AGAIN * len(data) + _SLACK

    def read(self, size: int | None = -1, /) -> bytes:
        """Read.

        Raises:
            AnswerError: status 400; it was read too often, or too much.
        """
        data = super().read(size)
        self._reads -= 1
        self._bytes -= len(data)
        if self._reads < 0:
            raise AnswerError(400, f"the image's header has too many pieces; the limit is {_HEADER_READS} reads")
        if self._bytes < 0:
            raise AnswerError(400, f"the image's header names the same bytes more than {_READ_AGAIN} times")
        return data

    def opened(self, pixels: int) -> None:
        """Allow as many reads as its pixels need from now on."""
        self._reads = 1 << 62
        self._bytes += _BYTES_OF_A_PIXEL * pixels


def check_exif(data: bytes) -> None:
    """Look at every EXIF of a file, and at the tags of a TIFF.

    Some Pillows read the value of each tag whenever they meet EXIF: with 16,000 tags that all name the same 190 kB,
    they took 3 GB.

    Raises:
        AnswerError: status 400; the tags name many times what is there.
    """
    # Expressions take 0.18 ms for a photo of 50 kB, and a search for plain bytes 0.01: most have none.
    if not any(each in data for each in _BEGINS_EXIF):
        return
    segments = [
        data[found.end() : found.start() + 2 + int.from_bytes(found[1], "big")] for found in _APP1.finditer(data)
    ]
    if sum(map(len, segments)) > _EXIF_BYTES:
        raise AnswerError(400, f"the image has more than {_EXIF_BYTES} bytes of EXIF")
    if len(segments) > 1:
        _check_tags(memoryview(b"".join(segments)), 0)  # as Pillow joins them
    for count, found in enumerate(_TIFF.finditer(data)):
        if count == _TIFFS:
            raise AnswerError(400, f"the image has more than {_TIFFS} blocks of EXIF")
        _check_tags(memoryview(data), found.start())


_BEGINS_EXIF = (b"Exif\0\0", b"II*\0", b"MM\0*")
_APP1 = re.compile(rb"\xff\xe1(..)Exif\0\0", re.DOTALL)
_TIFF = re.compile(rb"II\*\0|MM\0\*")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # TIFF 6.0, section 2
_DIRECTORIES = (0x8769, 0x8825, 0xA005)  # tags that point to more tags: EXIF, GPS, interoperability


def _check_tags(data: memoryview, start: int) -> None:
    order = "<" if data[start] == ord("I") else ">"
    (first,) = struct.unpack_from(order + "I", data, start + 4) if len(data) >= start + 8 else (0,)
    length = len(data) - start
    named = 0
    waiting, seen = [first], set()
    while waiting:
        at = waiting.pop()
        if at in seen or not 8 <= at <= length - 2:
            continue
        seen.add(at)
        (count,) = struct.unpack_from(order + "H", data, start + at)
        tags = data[start + at + 2 :][: 12 * count]
        for tag, kind, values, where in struct.iter_unpack(order + "HHII", tags[: len(tags) // 12 * 12]):
            size = _SIZES.get(kind, 0) * values
            if tag in _DIRECTORIES:
                waiting.append(where)
            elif size > 4:  # a smaller one is in the place of `where`
                named += max(0, min(size, length - where))
        if named > _EXIF_AGAIN * length + _SLACK:
            raise AnswerError(400, f"the image's tags name the same bytes more than {_EXIF_AGAIN} times")


def check_work(image: Image, data: bytes, max_pixels: int) -> None:
    """Look at what an opened file makes its decoder do.

    Raises:
        AnswerError: status 400, or 413 for tiles that are larger than `max_pixels`.
    """
    most = min(_SCANS, _SCANNED * max_pixels // (image.width * image.height))
    if image.format in ("JPEG", "MPO"):
        if data.count(_SCAN) > most and _scans(data) > most:  # the first counts what only looks like a scan, too
            raise AnswerError(400, f"the JPEG has more than {most} scans, the limit for its size")
    elif image.format == "AVIF":
        try:
            frames = most_frames(data)
        except (ValueError, struct.error) as error:
            raise AnswerError(400, f"the AVIF is not taken: {error}") from None
        if frames > most:
            raise AnswerError(400, f"the AVIF has {frames} frames in one image; the limit for its size is {most}")
    elif image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        tile = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
        if tile[0] * tile[1] > max_pixels:
            raise AnswerError(
                413,
                f"a tile of the image has {tile[0]} x {tile[1]} pixels; the limit is {max_pixels} (serving.max-pixels)",
            )


_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF 6.0, section 15
_SCAN = b"\xff\xda"  # SOS, ITU-T T.81 table B.1, as are those below
_MARKER = re.compile(rb"\xff+([^\0\xff])")
_END = 0xD9
_ALONE = frozenset({*range(0xC0), *range(0xD0, 0xD9)})  # no length and no content follow


def _scans(data: bytes) -> int:
    """Count the scans of a JPEG as libjpeg finds them: what follows the length of a segment is not looked at."""
    count = 0
    at = 2  # behind the start of the image
    while (found := _MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker not in _ALONE:
            count += marker == _SCAN[1]
            at += int.from_bytes(data[at : at + 2], "big")
    return count
