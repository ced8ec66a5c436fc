"""safetensors with NumPy alone: what is written is read, damage is refused, and packing loses nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from seatrial.golden.stages import tensors

if TYPE_CHECKING:
    from seatrial.golden.stages.tensors import Array

_RANDOM = np.random.default_rng(0)
_PIXELS = _RANDOM.integers(0, 256, (40, 30, 3), dtype=np.uint8)
ARRAYS: dict[str, Array] = {
    "pixels": _PIXELS,
    "pixels as shares": (_PIXELS / np.float32(255)).astype(np.float32),
    "all different": _RANDOM.standard_normal((3, 20, 20)).astype(np.float32),
    "no number and two zeros": np.array([np.nan, -0.0, 0.0, np.inf]),
    "one value": np.array(True),
    "empty": np.zeros((0, 3), np.float16),
    "large integers": np.array([-(2**62), 2**62]),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_packing_gives_back_every_bit(array: Array) -> None:
    back = tensors.unpack(tensors.pack(array), array.dtype.name, array.shape)
    assert (back.tobytes(), back.dtype, back.shape) == (array.tobytes(), array.dtype, array.shape)


def test_what_comes_from_pixels_is_packed_to_a_third() -> None:
    assert tensors.pack(ARRAYS["pixels as shares"]).nbytes < ARRAYS["pixels as shares"].nbytes / 3


def test_what_is_written_is_read() -> None:
    read = tensors.read(tensors.write(ARRAYS))
    assert list(read) == list(ARRAYS)
    assert all(read[name].tobytes() == array.tobytes() for name, array in ARRAYS.items())


def test_the_file_is_laid_out_as_the_format_says() -> None:
    data = tensors.write({"a": np.array([[1, 2]], np.uint8), "b": np.array([1.5], np.float32)})
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {
        "a": {"dtype": "U8", "shape": [1, 2], "data_offsets": [0, 2]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
    }
    assert data[8 + length :] == b"\x01\x02\x00\x00\xc0\x3f"


def _with_header(header: str) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        _with_header("{"),
        _with_header("[]"),
        _with_header('{"a": 1}'),
        _with_header('{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}'),
        _with_header('{"a": {"dtype": "PICKLE", "shape": [0], "data_offsets": [0, 0]}}'),
    ],
    ids=["empty", "endless header", "no JSON", "a list", "no description", "cut off", "unknown type"],
)
def test_damage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|outside|JSON|line 1"):
        tensors.read(data)


def test_a_damaged_packed_array_is_refused() -> None:
    packed = tensors.pack(_PIXELS)[:-9]
    with pytest.raises(ValueError, match=r"packed|reshape|size"):
        tensors.unpack(packed, "uint8", _PIXELS.shape)
