"""What a stage returns: the arrays in it, with what they are made of, and the same value with other arrays in it.

A stage may return a Pillow image, a tensor, an array, or dictionaries and lists of them. All of its arrays are its
parts, each with the path by which it is found in the value.
"""

from __future__ import annotations

import copy
import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from seatrial.golden.stages.tensors import Array

SAMPLES = 1024  # elements of an array that is not kept in full
_PARTS = 16  # of one value; a list of hundreds of boxes is told apart by its first ones
_DEPTH = 6
_STRIDE = 2_654_435_761  # odd and prime: neighbouring samples are far apart, whatever the width of an image
_KEPT = frozenset("biuf")  # kinds of arrays that hold numbers


@dataclass(frozen=True)
class Part:
    """An array within the value of a stage.

    Attributes:
        path: where it is in the value, such as "image" or "0"; "" for the value itself.
        kind: "image", "tensor" or "array".
        array: its numbers. Numbers that NumPy does not have, such as bfloat16, are kept as float32, which holds them.
        dtype: what they are in the value, such as "bfloat16".
        mode: of an image, such as "RGB".
    """

    path: str
    kind: str
    array: Array
    dtype: str
    mode: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 of the numbers with their type and shape, in hex."""
        head = f"{self.dtype} {self.array.shape} {self.mode}\n".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.array).tobytes()).hexdigest()


def parts(value: object) -> list[Part]:
    """Return the arrays in a value; none if it has none."""
    found = []
    for part in _parts(value, "", 0):
        found.append(part)
        if len(found) == _PARTS:
            break
    return found


def samples(array: Array) -> Array:
    """Return `SAMPLES` elements of an array, always the same ones; all of a smaller one."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat if flat.size <= SAMPLES else flat[(np.arange(SAMPLES, dtype=np.uint64) * _STRIDE) % flat.size]


def replaced(value: Any, by: Mapping[str, Part]) -> Any:
    """Return a value as `value` is, with the parts `by` at their paths."""
    return _replaced(value, "", by) if by else value


def _parts(value: object, path: str, depth: int) -> Iterator[Part]:
    if depth > _DEPTH:
        return
    if is_image(value):
        array = np.asarray(value)
        if array.dtype.kind in _KEPT:
            yield Part(path, "image", array, array.dtype.name, value.mode)  # type: ignore[attr-defined]
    elif is_tensor(value):
        yield from _of_tensor(value, path)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind in _KEPT:
            yield Part(path, "array", value, value.dtype.name)
    else:
        for key, inner in _inner(value):
            yield from _parts(inner, f"{path}.{key}" if path else key, depth + 1)


def _inner(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) or (hasattr(value, "items") and hasattr(value, "keys")):
        for key in value.keys():  # noqa: SIM118 - a BatchFeature is no Mapping
            yield str(key), value[key]  # type: ignore[index]
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value[: _PARTS * 4]):
            yield str(number), inner


def is_image(value: object) -> bool:
    """Return whether a value is a Pillow image; Pillow is not imported for it."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def is_tensor(value: object) -> bool:
    """Return whether a value is a tensor of torch; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _of_tensor(value: Any, path: str) -> Iterator[Part]:
    dtype = str(value.dtype).removeprefix("torch.")
    plain = value.detach()
    if plain.layout is not sys.modules["torch"].strided or plain.is_quantized:
        return
    try:
        array = plain.cpu().numpy()
    except TypeError:  # NumPy has no such type
        array = plain.cpu().float().numpy()
    if array.dtype.kind in _KEPT:
        yield Part(path, "tensor", array, dtype)


def _replaced(value: Any, path: str, by: Mapping[str, Part]) -> Any:
    if path in by and (is_image(value) or is_tensor(value) or isinstance(value, np.ndarray)):
        return _like(value, by[path])
    inner = {key: each for key, each in _inner(value) if any(_below(other, path, key) for other in by)}
    if not inner:
        return value
    changed = {key: _replaced(each, f"{path}.{key}" if path else key, by) for key, each in inner.items()}
    if isinstance(value, (list, tuple)):
        items = [changed.get(str(number), each) for number, each in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    made = copy.copy(value)
    for key in value.keys():  # noqa: SIM118
        if str(key) in changed:
            made[key] = changed[str(key)]
    return made


def _below(other: str, path: str, key: str) -> bool:
    whole = f"{path}.{key}" if path else key
    return other == whole or other.startswith(f"{whole}.")


def _like(value: Any, part: Part) -> Any:
    """Return an image, tensor or array of the kind of `value` with the numbers of a part."""
    array = np.array(part.array)  # its own memory, which a stage may change
    if is_image(value):
        return _image(value, array, part.mode or value.mode)
    if isinstance(value, np.ndarray):
        return array
    torch = sys.modules["torch"]
    made = torch.from_numpy(array).to(device=value.device, dtype=getattr(torch, part.dtype))
    if (wrapping := sys.modules.get("torchvision.tv_tensors")) and isinstance(value, wrapping.TVTensor):
        return wrapping.wrap(made, like=value)
    return made


def _image(value: Any, array: Array, mode: str) -> Any:
    pillow = sys.modules["PIL.Image"]
    if array.dtype == np.bool_:
        return pillow.fromarray(array)
    made = pillow.frombytes(mode, array.shape[1::-1], np.ascontiguousarray(array).tobytes())
    if mode == value.mode == "P":
        made.putpalette(value.getpalette())
    return made
