"""Read and write safetensors with NumPy alone, and pack arrays that would be large.

The distribution `safetensors` is not in the environment on trial, which has nothing but the locks. The format is a
length, a JSON header and the bytes: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    Array = np.ndarray[Any, Any]

_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "uint32": "U32",
    "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
}  # fmt: skip
_TYPES = {code: np.dtype(name).newbyteorder("<") for name, code in _NAMES.items()}
_LONGEST_HEADER = 100_000_000  # bytes; the limit of the reference implementation
PLAIN = 65_536  # bytes; what is larger is packed
_FEW = 65_536  # different values, which a number of 16 bits can tell apart


def write(tensors: Mapping[str, Array]) -> bytes:
    """Return the bytes of a file with these arrays, in this order."""
    header: dict[str, Any] = {}
    chunks, end = [], 0
    for name, array in tensors.items():
        code = _NAMES[array.dtype.name]
        chunk = np.ascontiguousarray(array, dtype=_TYPES[code]).tobytes()
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [end, end + len(chunk)]}
        chunks.append(chunk)
        end += len(chunk)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


def read(data: bytes) -> dict[str, Array]:
    """Return the arrays of a file.

    Raises:
        ValueError: it is not a file of this format.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(_LONGEST_HEADER, len(data) - 8):
        raise ValueError("the header is longer than the file")
    try:
        header = json.loads(data[8 : 8 + length])
        return {name: _array(data, 8 + length, each) for name, each in header.items() if name != "__metadata__"}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the header is damaged: {error!r}") from None


def _array(data: bytes, start: int, described: Mapping[str, Any]) -> Array:
    first, end = described["data_offsets"]
    kind, shape = _TYPES[described["dtype"]], tuple(described["shape"])
    if not 0 <= first <= end <= len(data) - start or any(side < 0 for side in shape):
        raise ValueError("a tensor lies outside of the file")
    return np.frombuffer(data[start + first : start + end], dtype=kind).reshape(shape)


def pack(array: Array) -> Array:
    """Return an array of bytes from which `unpack` makes the same array again, in a third of the space or less.

    What comes from an image of 8 bits has few different values, also as floating-point numbers: each is kept once, and
    the array is the number of its value. Neighbours in an image are alike, so each row is kept as its steps.
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view(f"u{flat.itemsize}")  # -0.0 and each NaN stay what they are
    values, numbers = np.unique(bits, return_inverse=True)
    if len(values) > min(_FEW, flat.size // 4):  # each is kept in full
        planes = bits.view(np.uint8).reshape(-1, flat.itemsize).T  # bytes of the same weight together
        return _deflated(b"", planes.tobytes())
    kind = np.uint8 if len(values) <= 256 else np.uint16
    steps = np.diff(numbers.reshape(-1).astype(kind), prepend=kind(0))
    planes = steps.view(np.uint8).reshape(-1, steps.itemsize).T
    return _deflated(len(values).to_bytes(4, "little") + values.tobytes(), planes.tobytes())


def unpack(packed: Array, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return the array that was packed.

    Raises:
        ValueError: it is damaged.
    """
    kind = np.dtype(dtype)
    data = packed.tobytes()
    size = int(np.prod(shape, dtype=np.int64))
    try:
        head = int.from_bytes(data[:4], "little")
        most = size * kind.itemsize + 4 + (_FEW + 1) * kind.itemsize
        content = zlib.decompressobj().decompress(data[4:], most)
    except zlib.error as error:
        raise ValueError(f"a packed tensor is damaged: {error}") from None
    if head == 0:
        planes = np.frombuffer(content, np.uint8).reshape(kind.itemsize, size)
        return np.ascontiguousarray(planes.T).reshape(-1).view(kind).reshape(shape)
    count = int.from_bytes(content[:4], "little")
    values = np.frombuffer(content[4 : 4 + count * kind.itemsize], f"u{kind.itemsize}")
    number = np.dtype(np.uint8 if count <= 256 else np.uint16)
    planes = np.frombuffer(content[4 + count * kind.itemsize :], np.uint8).reshape(number.itemsize, size)
    steps = np.ascontiguousarray(planes.T).reshape(-1).view(number)
    return values[np.cumsum(steps, dtype=number)].view(kind).reshape(shape)


def _deflated(values: bytes, content: bytes) -> Array:
    head = (1 if values else 0).to_bytes(4, "little")
    return np.frombuffer(head + zlib.compress(values + content, 9), np.uint8)
