"""Which model of torchvision or timm weights are of: by the names and shapes of their tensors, and a table of both.

The table holds a digest for each model, of everything but what a user changes: the number of classes, and the number
of the image's channels. A second digest leaves out the whole part that the last layer is in, for weights with a head of
their own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LIBRARIES = ("torchvision", "timm")  # of two that fit alike, the first is proposed first
_DIGITS = 10  # of a digest; two thousand of them are unlike in one of half a million tables
_COUNTER = "num_batches_tracked"  # of BatchNorm, which old checkpoints lack
_MOST_PREFIXES = 4  # `model._orig_mod.module.` is three

Shapes = "Mapping[str, tuple[int, ...]]"


@dataclass(frozen=True, slots=True)
class Preset:
    """What torchvision's own weights of a model were made with: sides in pixels, the resampling, and the colours."""

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """A model whose tensors fit.

    Attributes:
        library: torchvision or timm.
        names: the builders whose tensors these are. Several differ in what no tensor shows.
        given: further arguments of the builder, such as aux_logits.
        prefix: what every name in the weights has before the model's own, such as `module.`.
        head: the name of the last layer's weight, without the prefix: `fc.weight`. Its rows are the classes.
        stem: the name of the first convolution's weight; "" if there is none.
        classes: how many the weights have; None for weights with a head of their own.
        channels: of the image; 3 where the model has no convolution.
        own_head: the names of the tensors of a head that is not the model's; empty if it is.
    """

    library: str
    names: tuple[str, ...]
    given: tuple[tuple[str, Any], ...] = ()
    prefix: str = ""
    head: str = ""
    stem: str = ""
    classes: int | None = None
    channels: int = 3
    own_head: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the table, by its builder.

    Attributes:
        library: torchvision or timm.
        name: the builder's.
        head: the name of the last layer's weight.
        stem: the name of the first convolution's weight; "" if there is none.
        preset: what torchvision's own weights take; None for timm, which says it itself.
    """

    library: str
    name: str
    head: str
    stem: str
    preset: Preset | None


@dataclass(frozen=True, slots=True)
class _Row:
    library: str
    given: tuple[tuple[str, Any], ...]
    heads: tuple[str, ...]
    head: str
    stem: str
    digests: Mapping[str, Sequence[str]]  # name → that of all tensors, that of those outside the head's part


def fits(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Fit, ...]:
    """Return the models whose tensors these are, the whole model before its trunk, torchvision's before timm's."""
    for prefix in _prefixes(shapes):
        bare = {name.removeprefix(prefix): shape for name, shape in shapes.items()}
        for found in (_whole(bare, prefix), _trunks(bare, prefix)):
            if matching := tuple(found):
                return matching
    return ()


def known(name: str, library: str = "") -> Known | None:
    """Return what is known of a builder, such as `resnet18`; None if the table does not have it."""
    for row in _rows():
        if name in row.digests and library in ("", row.library):
            return Known(row.library, name, row.head, row.stem, presets().get(name) if row.library != "timm" else None)
    return None


def digest(shapes: Mapping[str, Sequence[int]], *, heads: Iterable[str], stem: str) -> str:
    """Return the digest of a model's tensors, without the rows of its heads and the channels of its stem."""
    open_ended = set(heads)
    lines = []
    for name in sorted(name for name in shapes if not name.endswith(_COUNTER)):
        shape = [str(side) for side in shapes[name]]
        shape[:1] = ["?"] if name in open_ended else shape[:1]
        shape[1:2] = ["?"] if name == stem else shape[1:2]
        lines.append(f"{name} {' '.join(shape)}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:_DIGITS]


def trunk_of(shapes: Mapping[str, Any], head: str) -> dict[str, Any]:
    """Return the tensors outside the part that the head is in: all but `classifier.…` for `classifier.6.weight`."""
    part = head.partition(".")[0]
    return {name: shape for name, shape in shapes.items() if name.partition(".")[0] != part}


@cache
def presets() -> Mapping[str, Preset]:
    """Return what torchvision's own weights of each model were made with."""
    return {
        name: Preset(resize, crop, interpolation, tuple(mean), tuple(std))
        for name, (resize, crop, interpolation, mean, std) in _table()["presets"].items()
    }


def _prefixes(shapes: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may stand before the names: nothing, and then each further part that all of them share."""
    prefix = ""
    yield prefix
    for _ in range(_MOST_PREFIXES):
        parts = {name.removeprefix(prefix).partition(".")[0] for name in shapes}
        if len(parts) != 1 or any("." not in name.removeprefix(prefix) for name in shapes):
            return
        prefix += f"{parts.pop()}."
        yield prefix


def _whole(bare: Mapping[str, tuple[int, ...]], prefix: str) -> Iterator[Fit]:
    for row in _rows():
        if row.head not in bare or (row.stem and len(bare.get(row.stem, ())) < 2):
            continue
        made = digest(bare, heads=row.heads, stem=row.stem)
        names = tuple(name for name, (whole, _) in row.digests.items() if whole == made)
        if names and len({bare[name][0] for name in row.heads}) == 1:
            yield _fit(row, names, bare, prefix, classes=bare[row.head][0])


def _trunks(bare: Mapping[str, tuple[int, ...]], prefix: str) -> Iterator[Fit]:
    for row in _rows():
        if row.stem and len(bare.get(row.stem, ())) < 2:
            continue
        trunk = trunk_of(bare, row.head)
        made = digest(trunk, heads=(), stem=row.stem)
        names = tuple(name for name, (_, outside) in row.digests.items() if outside == made)
        if names and len(trunk) > len(bare) // 2:
            yield _fit(row, names, bare, prefix, own_head=tuple(name for name in bare if name not in trunk))


def _fit(row: _Row, names: tuple[str, ...], bare: Mapping[str, tuple[int, ...]], prefix: str, **more: Any) -> Fit:
    channels = bare[row.stem][1] if row.stem else 3
    return Fit(row.library, names, row.given, prefix, row.head, row.stem, channels=channels, **more)


@cache
def _rows() -> tuple[_Row, ...]:
    rows = [
        _Row(
            row["library"],
            tuple(row["given"].items()),
            tuple(row["heads"]),
            row["head"],
            row["stem"],
            {name: both.split() for name, both in row["models"].items()},
        )
        for row in _table()["rows"]
    ]
    return tuple(sorted(rows, key=lambda row: LIBRARIES.index(row.library)))


@cache
def _table() -> dict[str, Any]:
    text = resources.files("seatrial.facts").joinpath("tables", "architectures.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
