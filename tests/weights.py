"""Files of weights without numbers: the names and shapes of real models, as safetensors, and no torch to write them."""

from __future__ import annotations

import json
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILT = Path(__file__).parent / "facts/built_models.jsonl"  # some lines that tools/tables/built_models.py printed


@cache
def built(name: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of a model's tensors; it has 7 classes."""
    models = [json.loads(line) for line in BUILT.read_text(encoding="utf-8").splitlines()[1:]]
    tensors: Mapping[str, list[int]] = next(model["tensors"] for model in models if model["name"] == name)
    return {key: tuple(shape) for key, shape in tensors.items()}


def safetensors(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """Write a file with tensors of bytes, all zero; it takes no room on the disk."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "U8", "shape": list(shape), "data_offsets": [end, end + prod(shape)]}
        end += prod(shape)
    text = json.dumps(header).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        opened.truncate(8 + len(text) + end)
    return file
