"""The image of the locked distributions: one layer on the base, named by both, that every code build starts from.

It is made once and kept. The tool removes none: an image of another lock may be another project's, or the one to go
back to. It says which there are, how large they are, and the command that removes one with the images made on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.containers import labels
from seatrial.containers.engine import Engine
from seatrial.environment import install as environment
from seatrial.environment.install import Lock
from seatrial.environment.interpreter import Interpreter
from seatrial.findings import Stage, Step
from seatrial.image import builder, dependencies, disk, layers
from seatrial.image.base import BaseImage

_FORMAT = "2"  # raise it when what the image holds or says of itself changes
_KEY_LABEL = "dev.seatrial.dependencies"  # images made on it inherit its labels
_SIZE_LABEL = "dev.seatrial.dependencies-bytes"
_LARGEST_LAYER = 5.8  # gigabytes: the tar of torch 2.15.0+cu132 with torchvision, measured


@dataclass(frozen=True, slots=True)
class DependencyImage:
    """An image of distributions.

    Attributes:
        tag: its local name.
        size: of its layer's tar, in bytes.
        dockerfile: what it is built from.
    """

    tag: str
    size: int
    dockerfile: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an image of distributions is made of: a lock, the digest of its pins, the base and the Python for it."""

    lock: Lock
    lock_digest: str
    base: BaseImage
    python: Interpreter

    @property
    def key(self) -> str:
        """What tells it from every other one."""
        return f"{_FORMAT}-{self.lock_digest[:16]}-{self.base.digest[:16]}"

    def described(self, size: int) -> DependencyImage:
        """Give the image whose layer's tar has `size` bytes."""
        about = {
            labels.LOCK: self.lock_digest,
            labels.BASE: self.base.digest,
            _KEY_LABEL: self.key,
            _SIZE_LABEL: str(size),
        }
        return DependencyImage(_tag(self.key), size, builder.dependencies_file(self.base.reference, about))


def provide(wanted: Wanted, engine: Engine, workplace: Path, *, fresh: bool) -> Stage[DependencyImage | None]:
    """Find or make an image of distributions; None after a finding that says why they cannot be installed.

    `fresh` makes it anew. Its parts are made in the folder `workplace`, which is left as it was.

    Raises:
        EnvironmentFaultError: the engine, the network or the disk.
    """
    size = None if fresh else _size(engine, _tag(wanted.key))
    if size is not None:
        yield Step(f"{_tag(wanted.key)} is there already")
        return wanted.described(size)
    unpacked = environment.gigabytes(wanted.lock.names)
    disk.refuse_full(engine, workplace, unpacked, min(unpacked, _LARGEST_LAYER), removals(engine, wanted))
    root, context = workplace / "root", workplace / "dependencies"
    root.mkdir()
    if not (yield from dependencies.install(wanted.lock, wanted.base, wanted.python, root)):
        return None
    context.mkdir()
    made = wanted.described(layers.write_tar(root, context / "dependencies.tar"))
    shutil.rmtree(root)
    yield Step(f"building {made.tag}, one layer of {made.size / 1e6:.1f} MB")
    yield from builder.build(engine, context, made.dockerfile, made.tag, fresh=fresh)
    shutil.rmtree(context)
    for removal in removals(engine, wanted):
        yield Step(f"of other locks, to remove where nobody needs it: {removal}")
    return made


def removals(engine: Engine, wanted: Wanted) -> list[str]:
    """Say what removing the images of distributions other than the wanted one would free, largest first."""
    others = sorted(_others(engine, wanted.key), key=lambda other: (-other[1], other[0]))
    return [
        f"`{engine.name} image prune --all --filter label={_KEY_LABEL}={key}` "
        f"frees {size / 1e9:.1f} GB: {_tag(key)} and every image made on it"
        for key, size in others
    ]


def _others(engine: Engine, key: str) -> Iterator[tuple[str, int]]:
    """Yield key and size of every other image of distributions; none where the engine has no answer."""
    listing = ["image", "ls", "--filter", f"label={_KEY_LABEL}", "--format", "{{.ID}}"]
    code, printed = engine.output(listing, timeout=60)
    ids = list(dict.fromkeys(printed.split()))
    if code != 0 or not ids:
        return
    labels = "{{index .Config.Labels %s}} {{index .Config.Labels %s}}"
    question = labels % tuple(f'"{name}"' for name in (_KEY_LABEL, _SIZE_LABEL))
    code, printed = engine.output(["image", "inspect", "--format", question, *ids], timeout=60)
    for line in dict.fromkeys(printed.splitlines()) if code == 0 else ():
        found, _, size = line.partition(" ")
        if found != key and size.isdigit():
            yield found, int(size)


def _tag(key: str) -> str:
    return f"localhost/seatrial-dependencies:{key}"


def _size(engine: Engine, tag: str) -> int | None:
    """Give the size that an image of distributions says of itself; None where there is no such image.

    What engines say is compressed or not, by the kind of their store.
    """
    question = f'{{{{index .Config.Labels "{_SIZE_LABEL}"}}}}'
    code, printed = engine.output(["image", "inspect", "--format", question, tag], timeout=60)
    return int(printed) if code == 0 and printed.strip().isdigit() else None
