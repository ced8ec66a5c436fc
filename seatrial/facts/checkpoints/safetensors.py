"""The header of a safetensors file: which tensors it lists, and whether the file has all their bytes.

Only the header is read, and only up to a size that no model's header reaches.
"""

from __future__ import annotations

import json
from math import prod
from typing import IO, Any

from seatrial.facts.checkpoints.pickles import Tensor

HEADER_LIMIT = 8 << 20  # bytes, about 80 000 tensors; the format itself allows 100 MB
SIZES = {  # bits an element; https://github.com/huggingface/safetensors, Dtype
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


class DamagedError(Exception):
    """The file is damaged; the argument says how."""


def read_header(content: IO[bytes], size: int) -> dict[str, Tensor] | None:
    """Return the tensors of a safetensors file of `size` bytes by name; None if the header is too long to read.

    Raises DamagedError if safetensors itself would refuse the file.
    """
    content.seek(0)
    length = int.from_bytes(content.read(8), "little")
    if size < 8 or length > size - 8:
        raise DamagedError(f"its header claims {length} bytes, but the file has {size}")
    if length > HEADER_LIMIT:
        return None
    try:
        header = json.loads(content.read(length).decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise DamagedError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise DamagedError("its header is not a JSON object")
    rows = {name: row for name, row in header.items() if name != "__metadata__"}
    _is_whole(rows, size - 8 - length)
    return {name: Tensor(row["dtype"], tuple(row["shape"])) for name, row in rows.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise DamagedError("its header names a tensor twice")
    return made


def _is_whole(rows: dict[str, Any], size: int) -> None:
    """Check the offsets of the tensors against the bytes that follow the header."""
    places = []
    for name, row in rows.items():
        match row:
            case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if all(
                type(n) is int and n >= 0 for n in shape
            ):
                if dtype in SIZES and prod(shape) * SIZES[dtype] != (end - begin) * 8:
                    raise DamagedError(f"`{name[:80]}` has not as many bytes as its shape needs")
                places.append((begin, end))
            case _:
                raise DamagedError(f"its header does not say what `{name[:80]}` is")
    at = 0
    for begin, end in sorted(places):
        if begin != at or end < begin:
            raise DamagedError("its tensors overlap or leave a gap")
        at = end
    if at != size:
        raise DamagedError(f"its tensors need {at} bytes, and the file has {size} after its header")
