"""A picture of a stage that differs: what was recorded, what is there now, and where they differ, side by side.

Only NumPy is needed: the environment on trial may have no library that writes images. Values are shown in the range of
what was recorded, and the difference so much amplified that its largest is white.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.golden.stages.tensors import Array

_CHANNELS = (1, 3, 4)
_MOST = 12  # pictures of a replay; a wrong transform makes every input differ
_LEAST_SIDE, _LARGEST_SIDE = 128, 512  # pixels of one of the three images
_GAP = 4  # pixels between them
_WHITE = 255


class Album:
    """The pictures of a replay, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pictures = 0

    def add(self, name: str, before: Array, now: Array) -> dict[str, Any]:
        """Draw two arrays, if they are images; return the name of the file and by how much the difference is amplified.

        {} if they are no images, or there are enough pictures.
        """
        images = [_image(before), _image(now)]
        if self._pictures == _MOST or any(image is None for image in images):
            return {}
        self._folder.mkdir(parents=True, exist_ok=True)
        pixels, factor = _drawn(*images)
        self._pictures += 1
        file = f"{self._pictures:02d}-{re.sub('[^A-Za-z0-9]+', '-', name).strip('-')[:40] or 'stage'}.png"
        (self._folder / file).write_bytes(png(pixels))
        return {"picture": file, "amplified": factor}


def png(pixels: Array) -> bytes:
    """Return the bytes of a PNG file of an array of rows, columns and three colours of 8 bits.

    https://www.w3.org/TR/png-3/: each row begins with the number of its filter, and 0 is none.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = pixels.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _image(array: Array) -> Array | None:
    """Return an array as rows, columns and three colours; None if it is no image."""
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.size == 0:
        return None
    if array.shape[2] not in _CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.shape[2] not in _CHANNELS or min(array.shape[:2]) < 2:
        return None
    colours = array[..., :3] if array.shape[2] > 1 else np.repeat(array, 3, axis=2)
    return np.asarray(colours, np.float64)


def _drawn(before: Any, now: Any) -> tuple[Array, float]:
    """Return both images side by side, their difference too if they have one size, and how much that is amplified."""
    finite = before[np.isfinite(before)]
    least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    scale = _WHITE / ((most - least) or 1.0)
    shown = [(each - least) * scale for each in (before, now)]
    factor = 0.0
    if before.shape == now.shape:
        apart = np.abs(shown[0] - shown[1]).max(axis=2, keepdims=True)
        largest = float(np.nan_to_num(apart, posinf=_WHITE).max())
        factor = _WHITE / largest if largest else 0.0
        shown.append(np.repeat(apart * factor, 3, axis=2))
    sized = [_sized(np.clip(np.nan_to_num(each), 0, _WHITE).astype(np.uint8)) for each in shown]
    return _side_by_side(sized), factor


def _sized(pixels: Array) -> Array:
    """Return an image whose sides a person can see: small ones with larger pixels, large ones with fewer."""
    longest = max(pixels.shape[:2])
    fewer = -(-longest // _LARGEST_SIDE)
    pixels = pixels[::fewer, ::fewer]
    larger = max(1, _LEAST_SIDE // longest)
    return pixels.repeat(larger, axis=0).repeat(larger, axis=1)


def _side_by_side(images: list[Array]) -> Array:
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + _GAP * (len(images) - 1)
    whole = np.full((height, width, 3), _WHITE, np.uint8)
    left = 0
    for image in images:
        whole[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + _GAP
    return whole
