"""The image of the locked distributions: one layer on the base that every code build starts from.

It holds a virtual environment that was never active: uv installs wheels on the host for the base's Python and C
library and checks every hash. Nothing of them is run. For a pin that has only its source it takes the wheel that the
trial was installed from. The image is named by lock and base, made once and kept: another project, or an older lock,
may need it. `removals` lists the others, their sizes, and the commands that remove them.
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
from seatrial.image import disk, dockerfile, engine_build, layers
from seatrial.image.base import BaseImage

_HOME = "app"  # the environment's folder inside the image, below its root
_FORMAT = "2"  # raise it when the content or the labels of the image change
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
        """What distinguishes it from every other one."""
        return f"{_FORMAT}-{self.lock_digest[:16]}-{self.base.digest[:16]}"

    def described(self, size: int) -> DependencyImage:
        """Return the image whose layer's tar has `size` bytes."""
        about = {
            labels.LOCK: self.lock_digest,
            labels.BASE: self.base.digest,
            _KEY_LABEL: self.key,
            _SIZE_LABEL: str(size),
        }
        return DependencyImage(_tag(self.key), size, dockerfile.dependencies(self.base.ground, about))


def provide(wanted: Wanted, engine: Engine, workplace: Path, *, fresh: bool) -> Stage[DependencyImage | None]:
    """Find or make an image of distributions; None after a finding that says why they cannot be installed.

    `fresh` makes it anew. Its parts are made in the folder `workplace` and removed afterwards.

    Raises:
        EnvironmentFaultError: the engine, the network or the disk failed.
    """
    size = None if fresh else _size(engine, _tag(wanted.key))
    if size is not None:
        yield Step(f"{_tag(wanted.key)} exists already")
        return wanted.described(size)
    unpacked, layer = _sizes(wanted.lock.names)
    if environment.is_kept(wanted.lock, wanted.python):
        unpacked = 0.0  # the installer's cache has the files already, and the content is made of links to them
    disk.refuse_full(engine, workplace, unpacked, layer, removals(engine, wanted))
    root, context = workplace / "root", workplace / "dependencies"
    root.mkdir()
    if not (yield from _install(wanted, root)):
        return None
    context.mkdir()
    made = wanted.described(layers.write_tar(root, context / "dependencies.tar"))
    shutil.rmtree(root)
    yield Step(f"building {made.tag}, one layer of {made.size / 1e6:.1f} MB")
    yield from engine_build.build(engine, context, made.dockerfile, made.tag, fresh=fresh)
    shutil.rmtree(context)
    for removal in removals(engine, wanted):
        yield Step(f"images of other locks can be removed if nobody needs them: {removal}")
    return made


def gigabytes(names: frozenset[str]) -> float:
    """Return how much free disk an image of these distributions needs at most, if nothing of it exists."""
    return disk.at_most(*_sizes(names))


def _sizes(names: frozenset[str]) -> tuple[float, float]:
    """Return the gigabytes of distributions, unpacked and as the tar of a layer."""
    unpacked = environment.gigabytes(names)
    return unpacked, min(unpacked, _LARGEST_LAYER)


def removals(engine: Engine, wanted: Wanted) -> list[str]:
    """Return the commands that remove images of distributions other than the wanted one, with what each frees.

    The largest comes first.
    """
    others = sorted(_others(engine, wanted.key), key=lambda other: (-other[1], other[0]))
    return [
        f"`{engine.name} image prune --all --filter label={_KEY_LABEL}={key}` "
        f"frees {size / 1e9:.1f} GB: {_tag(key)} and every image made on it"
        for key, size in others
    ]


def site_packages(python: str) -> str:
    """Return the folder of distributions inside the image, below its root, for a minor version of Python."""
    return f"{_HOME}/lib/python{python}/site-packages"


def _install(wanted: Wanted, root: Path) -> Stage[bool]:
    """Install a lock into the empty folder `root`, laid out as in the image; False after a finding that refuses it.

    Raises:
        EnvironmentFaultError: no network, or the installer failed in a way that no rule knows.
    """
    lock, base, python = wanted.lock, wanted.base, wanted.python
    yield Step(f"installing {len(lock.names)} distributions for Python {base.version} and {base.platform}")
    prefix = root / _HOME
    prefix.mkdir(parents=True)
    options = [f"--python={python.executable}", f"--python-version={base.version}"]
    options += [f"--python-platform={base.platform}", f"--prefix={prefix}"]
    if not (yield from environment.run_installer(lock, python, root.parent, options)):
        return False
    minor = base.version.rpartition(".")[0]
    site = root / site_packages(minor)
    site.mkdir(parents=True, exist_ok=True)
    layers.strip(prefix)
    yield Step("compiling bytecode")
    layers.compile_bytecode(site, f"/{site_packages(minor)}", python, root.parent)
    (prefix / "bin").mkdir(exist_ok=True)
    (prefix / "bin/python").symlink_to(base.executable)
    (prefix / "pyvenv.cfg").write_text(
        f"home = {Path(base.executable).parent}\ninclude-system-site-packages = false\nversion = {base.version}\n",
        encoding="utf-8",
    )
    return True


def _others(engine: Engine, key: str) -> Iterator[tuple[str, int]]:
    """Yield key and size of every other image of distributions; nothing if the engine does not answer."""
    listing = ["image", "ls", "--filter", f"label={_KEY_LABEL}", "--format", "{{.ID}}"]
    code, printed = engine.output(listing, timeout=60)
    ids = list(dict.fromkeys(printed.split()))
    if code != 0 or not ids:
        return
    values = "{{index .Config.Labels %s}} {{index .Config.Labels %s}}"
    question = values % tuple(f'"{name}"' for name in (_KEY_LABEL, _SIZE_LABEL))
    code, printed = engine.output(["image", "inspect", "--format", question, *ids], timeout=60)
    for line in dict.fromkeys(printed.splitlines()) if code == 0 else ():
        found, _, size = line.partition(" ")
        if found != key and size.isdigit():
            yield found, int(size)


def _tag(key: str) -> str:
    return f"localhost/seatrial-dependencies:{key}"


def _size(engine: Engine, tag: str) -> int | None:
    """Return the size that the label of an image of distributions names; None if there is no such image.

    The size that an engine reports is compressed or not, depending on its store.
    """
    question = f'{{{{index .Config.Labels "{_SIZE_LABEL}"}}}}'
    code, printed = engine.output(["image", "inspect", "--format", question, tag], timeout=60)
    return int(printed) if code == 0 and printed.strip().isdigit() else None
