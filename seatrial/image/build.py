"""`seatrial image build`: the bundle and its locked distributions as a container image in small, repeatable layers.

A code build starts from the image of the distributions. Its context is a temporary folder with tars and a Dockerfile,
so nothing else of the project or the machine can enter.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle, build
from seatrial.containers import labels
from seatrial.containers.engine import Engine
from seatrial.environment import install as environment
from seatrial.environment import interpreter
from seatrial.environment.install import CPU_GIGABYTES, CUDA_GIGABYTES, Lock
from seatrial.environment.interpreter import Interpreter
from seatrial.environment.store import sweep
from seatrial.errors import EnvironmentFaultError
from seatrial.facts.packages import requirements
from seatrial.facts.packages.requirements import Entry, marker_environment
from seatrial.findings import Location, Phase, Stage, watched
from seatrial.image import base as base_image
from seatrial.image import dependencies, disk, dockerfile, engine_build, layers, sbom
from seatrial.image.base import BaseImage
from seatrial.image.dependencies import DependencyImage, Wanted
from seatrial.project import Project
from seatrial.rules.devices import accelerators
from seatrial.rules.lock.runtime import outside_runtime
from seatrial.system import file_lock, files
from seatrial.system.cache import cache_dir

_CODE_LAYERS = ("runtime", "artifacts", "predictor")  # what changes most often comes last


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: what it holds, the digest of its uncompressed tar as the engine made it, its size in bytes as tar."""

    name: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """A built image.

    Attributes:
        reference: the local name that it is tagged with.
        id: `sha256:…` of its configuration, or with docker's containerd store of its manifest.
        digest: of its manifest, if the engine makes one before a push, as podman and docker with containerd's store
            do; else empty.
        base: the base image by digest; its layers come before those in `layers`.
        dependencies: the local name of the image of the distributions.
        layers: the layers above the base.
        rebuilt: the names of the layers that the previous image did not have.
        seconds: how long the whole build took.
    """

    reference: str
    id: str
    digest: str
    engine: str
    device: str
    base: str
    dependencies: str
    bundle_digest: str
    version_digest: str
    labels: dict[str, str]
    layers: tuple[Layer, ...]
    rebuilt: tuple[str, ...]
    seconds: float

    @property
    def rebuilt_bytes(self) -> int:
        """The size of the content that changed, uncompressed."""
        return sum(layer.size for layer in self.layers if layer.name in self.rebuilt)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {**asdict(self), "rebuilt_bytes": self.rebuilt_bytes}


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What an image is made from: a project's bundle and pins, a base, and the engine that builds."""

    project: Project
    engine: Engine
    bundle: Bundle
    base: BaseImage
    python: Interpreter
    lock: Lock
    pins: dict[str, Entry]

    @property
    def lock_digest(self) -> str:
        """The digest of what is installed: names, versions and hashes, not comments."""
        pinned = [f"{pin.text} {' '.join(sorted(pin.hashes))}\n" for _, pin in sorted(self.pins.items())]
        return hashlib.sha256("".join(pinned).encode()).hexdigest()

    @property
    def version_digest(self) -> str:
        """The bundle digest hashed together with the base's; it names the version on the server."""
        return hashlib.sha256(f"{self.bundle.digest}\n{self.base.digest}\n".encode()).hexdigest()

    @property
    def labels(self) -> dict[str, str]:
        """What the image is made from."""
        return {
            labels.LOCK: self.lock_digest,
            labels.BUNDLE: self.bundle.digest,
            labels.VERSION: self.version_digest,
            labels.PYTHON: self.base.version,
            labels.DEVICE: self.bundle.device,
        }


def build_image(
    project: Project, device: str, engine: Engine, *, write: bool = False, fresh: bool = False
) -> Stage[Image | None]:
    """Build the image of a project for a device, and its record in build/image; None after a finding of level error.

    `write` also keeps the generated Dockerfiles in build/image; `fresh` uses nothing of earlier builds.

    Raises:
        UsageError: the project cannot be built, or its base image is missing or does not fit.
        EnvironmentFaultError: the engine, the network or the disk failed.
    """
    began = time.monotonic()
    yield Phase("bundle")
    bundle = yield from build(project, device)
    if bundle is None:
        return None
    inputs, broken = yield from watched(_gather(project, engine, bundle))
    if broken:
        return None
    # Two builds at once would only compete for disk and cores.
    lock = yield from file_lock.acquire(cache_dir() / "image.lock", "another image build")
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        sweep(cache_dir())
        # Beside the installer's cache, so that its files can be linked instead of copied.
        workplace = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".image-", dir=cache_dir())))
        yield Phase("dependencies")
        wanted = Wanted(inputs.lock, inputs.lock_digest, inputs.base, inputs.python)
        ground = yield from dependencies.provide(wanted, engine, workplace, fresh=fresh)
        if ground is None:
            return None
        yield Phase("code")
        about = inputs.labels | labels.of_pins(inputs.pins) | labels.of_commit(project.root)
        tag = f"localhost/{project.name}:{inputs.version_digest[:16]}"
        size = _size(bundle.path) / 1e9
        disk.refuse_full(engine, workplace, size, size, dependencies.removals(engine, wanted))
        context = _code_context(inputs, workplace)
        text = dockerfile.code(ground.tag, [f"{name}.tar" for name in _CODE_LAYERS], about)
        yield from engine_build.build(engine, context, text, tag, fresh=fresh)
        image = _describe(inputs, tag, ground, about, context, began)
    _record(inputs, image)
    if write:
        _write_dockerfiles(inputs.project, ground.dockerfile, text)
    return image


def _gather(project: Project, engine: Engine, bundle: Bundle) -> Stage[_Inputs]:
    """Gather what decides the image, and refuse what can be refused before anything is installed."""
    yield Phase("base")
    base = yield from base_image.resolve(project, engine)
    python = yield from interpreter.find(project.python)
    lock_file = project.lock_for(bundle.device)
    own = requirements.read(lock_file, project.root)
    yield from outside_runtime(own, requirements.read_runtime("requirements.in"), project.python)
    runtime = requirements.read_runtime("requirements.txt")
    lock = environment.merge(own, lock_file.read_text(encoding="utf-8"), runtime)
    where = marker_environment(project.python)
    pins = runtime.pins(where) | own.pins(where)
    if bundle.device == "cpu" and any(name.startswith("nvidia-") for name in pins):
        more = CUDA_GIGABYTES - CPU_GIGABYTES
        yield accelerators.CUDA_WITHOUT_ACCELERATOR.finding(
            f"{own.path} locks NVIDIA's libraries, about {more:.1f} GB that a target without an accelerator never uses",
            location=Location(own.path),
        )
    return _Inputs(project, engine, bundle, base, python, lock, pins)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _code_context(inputs: _Inputs, workplace: Path) -> Path:
    """Make the folder that a code build sees: one tar each for the runtime, the artifacts and the predictor."""
    context = workplace / "code"
    context.mkdir()
    bundle, site = inputs.bundle, dependencies.site_packages(inputs.project.python)
    for name in _CODE_LAYERS:
        root = workplace / name
        root.mkdir()
        if name == "artifacts":
            shutil.copytree(bundle.path / "artifacts", root / "app/bundle/artifacts")
        else:
            wheel = bundle.runtime_wheel if name == "runtime" else bundle.predictor_wheel
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(root / site)
            layers.compile_bytecode(root / site, f"/{site}", inputs.python, workplace)
        if name == "predictor":  # the settings too change with the code
            (root / "app/bundle").mkdir(parents=True)
            shutil.copyfile(bundle.settings, root / dockerfile.BUNDLE_FILE.lstrip("/"))
        layers.write_tar(root, context / f"{name}.tar")
        shutil.rmtree(root)
    return context


def _describe(
    inputs: _Inputs, tag: str, ground: DependencyImage, labels: dict[str, str], context: Path, began: float
) -> Image:
    """Ask the engine what it built, and compare that with the previous image."""
    engine, base = inputs.engine, inputs.base
    own_id, found = base_image.identity(engine, tag)
    digests = found[len(base.layers) :]
    sizes = [ground.size, *((context / f"{name}.tar").stat().st_size for name in _CODE_LAYERS)]
    made = tuple(map(Layer, ("dependencies", *_CODE_LAYERS), digests, sizes))
    if len(digests) != len(made):
        raise EnvironmentFaultError(
            f"{tag} has {len(digests)} layers above its base, not {len(made)}",
            fix=f"remove it with `{engine.name} rmi {tag}` and build with --no-cache",
        )
    before = _digests_before(inputs)
    return Image(
        reference=tag,
        id=own_id,
        digest=_manifest_digest(engine, tag, own_id),
        engine=engine.name,
        device=inputs.bundle.device,
        base=base.reference,
        dependencies=ground.tag,
        bundle_digest=inputs.bundle.digest,
        version_digest=inputs.version_digest,
        labels=labels,
        layers=made,
        rebuilt=tuple(layer.name for layer in made if layer.digest not in before),
        seconds=round(time.monotonic() - began, 3),
    )


def _manifest_digest(engine: Engine, tag: str, own_id: str) -> str:
    if engine.name == "podman":
        return engine.ask(["image", "inspect", "--format", "{{.Digest}}", tag]).strip()
    # containerd's store names an image by its manifest; docker's own makes the manifest when it pushes.
    return own_id if engine.stores_manifests() else ""


def _record_file(project: Project) -> Path:
    return project.build_dir / "image/image.json"


def _digests_before(inputs: _Inputs) -> set[str]:
    """Return the layers of the project's last image by this engine; another engine writes a layer differently."""
    try:
        former = json.loads(_record_file(inputs.project).read_text(encoding="utf-8"))
        return {layer["digest"] for layer in former["layers"] if former["engine"] == inputs.engine.name}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()


def _record(inputs: _Inputs, image: Image) -> None:
    """Write the record of the image and its bill of materials."""
    file = _record_file(inputs.project)
    bill = sbom.document(inputs.project.name, image.version_digest, image.base, inputs.pins, inputs.bundle)
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_json(file.with_name("sbom.cdx.json"), bill)
    _write_json(file, image.as_dict() | {"sbom": "sbom.cdx.json"})


def _write_json(file: Path, content: dict[str, Any]) -> None:
    files.write(file, json.dumps(content, indent=2) + "\n")


def _write_dockerfiles(project: Project, below: str, above: str) -> None:
    """Keep the Dockerfiles that the image was built from."""
    file = _record_file(project)
    file.with_name("dependencies.Dockerfile").write_text(below, encoding="utf-8")
    file.with_name("Dockerfile").write_text(above, encoding="utf-8")
