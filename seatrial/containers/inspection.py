"""What an engine says of an image, and what its layers contain: sizes, and files that look like credentials.

The layers are read from the engine's `save` as a stream: nothing is unpacked or written to disk.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, cast

from seatrial.containers import engine as engines
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.secrets import forms, names
from seatrial.facts.secrets.files import is_secret
from seatrial.system import process

SAVE_TIMEOUT = 1800.0  # seconds; an image of 10 GB from a slow disk
_UNKNOWN = re.compile(r"(?i)no such image|image not known|invalid reference format|must be lowercase")
_OTHER_ENGINE = "use docker 20.10 or podman 4.3, or later; `--engine` chooses"
_BUILD_AGAIN = "try again; if it still fails, build the image again with `seatrial image build --no-cache`"
# Public test keys of the standard library, which some distributions of Python include.
_PUBLIC = re.compile(r"(?:^|/)lib/python3\.\d+/test/")
_RECORD = re.compile(r"^(?P<site>.*/)?(?P<name>[^/]+)-[^/-]+\.dist-info/RECORD$")


@dataclass(frozen=True, slots=True)
class Image:
    """An image as its engine describes it.

    Attributes:
        id: by which the engine runs it; with docker and podman the digest of its configuration.
        labels: its labels.
        env: its environment variables.
        python: the interpreter that its command starts.
        layers: the digests of its unpacked layers, the base's first.
    """

    id: str
    labels: dict[str, str]
    env: tuple[str, ...]
    python: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file in a layer that looks like a credential."""

    layer: int
    path: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its unpacked size in bytes, its number of files, and the command of the history that made it."""

    size: int
    files: int
    made_by: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What the layers contain, the base's first.

    Attributes:
        config_digest: `sha256:` and 64 hex digits, as a registry's manifest will name it.
        history: every command of the history, including those that made no layer.
    """

    layers: tuple[Layer, ...]
    suspects: tuple[Suspect, ...]
    history: tuple[str, ...]
    config_digest: str


def inspect(engine: Engine, reference: str) -> Image:
    """Ask the engine for an image.

    Raises:
        UsageError: it has no such image (exit 2).
        EnvironmentFaultError: it does not answer, or its answer cannot be read (exit 3).
    """
    code, printed = engine.output(["image", "inspect", reference], timeout=60)
    if code != 0 and _UNKNOWN.search(printed):
        raise UsageError(f"{engine.name} has no image {reference}", fix="build it with `seatrial image build`")
    if code != 0:
        raise EnvironmentFaultError(
            f"{engine.name} does not describe {reference}:\n{printed}",
            fix=f"check the engine with `{engine.name} info`",
        )
    try:
        found = json.loads(printed)[0]
        config = found.get("Config") or {}
        command = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
        return Image(
            id="sha256:" + found["Id"].removeprefix("sha256:"),
            labels=config.get("Labels") or {},
            env=tuple(config.get("Env") or ()),
            python=command[0] if command else "",
            layers=tuple(found["RootFS"]["Layers"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EnvironmentFaultError(
            f"{engine.name} describes {reference} in an unknown form: {error!r}", fix=_OTHER_ENGINE
        ) from None


def read_layers(engine: Engine, image: Image, own: str) -> Contents:
    """Read every layer of an image; `own` is the name of the project's own distribution.

    Files that another distribution's RECORD lists are never suspects: what a lock installs is as public as its index.

    Raises:
        EnvironmentFaultError: the engine cannot save the image, or what it saves cannot be read.
    """
    layers: dict[str, tuple[Layer, list[str]]] = {}
    links: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    command = [engine.program, "save", image.id]
    with process.streamed(command, env=engines.environment(), timeout=SAVE_TIMEOUT) as stream:
        for member, file in _members(stream, engine):
            if member.issym() or member.islnk():
                links[member.name] = _resolved(member.name, member.linkname, symbolic=member.issym())
            elif _is_layer(bytes(file.peek(512))):
                layers[member.name] = _read_layer(file, member.name, own)
            else:
                texts[member.name] = file.read()
    return _contents(engine, image, layers, links, texts)


def _members(stream: IO[bytes], engine: Engine) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """Yield files and links of the saved archive, each file with a reader; readers can peek() but not seek()."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.isfile() or member.issym():
                    yield member, archive.extractfile(member) if member.isfile() else None
                elif member.islnk():
                    yield member, None
    except tarfile.TarError as error:
        message = f"what {engine.name} saved of the image cannot be read: {error}"
        raise EnvironmentFaultError(message, fix=_BUILD_AGAIN) from None


def _is_layer(head: bytes) -> bool:
    """Whether a file is an archive, plain, empty or compressed, and not one of the JSON files beside them."""
    return head[257:262] == b"ustar" or head.startswith((b"\0", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


def _resolved(name: str, target: str, *, symbolic: bool) -> str:
    """Return the member that a link of the archive stands for."""
    parts: list[str] = list(PurePosixPath(name).parent.parts) if symbolic else []
    for part in PurePosixPath(target).parts:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/".join(parts)


def _read_layer(file: IO[bytes], name: str, own: str) -> tuple[Layer, list[str]]:
    size = files = 0
    suspects, public = [], set()
    try:
        with tarfile.open(fileobj=file, mode="r|*") as layer:
            for entry in layer:
                path = entry.name.removeprefix("./")
                size, files = size + entry.size, files + 1
                if not entry.isfile():
                    if names.is_secret_name(PurePosixPath(path).name) and entry.isdir():
                        suspects.append(path)
                    continue
                content = cast("IO[bytes]", layer.extractfile(entry))
                record = _RECORD.match(path)
                if record and record["name"] != own:
                    public |= {f"{record['site'] or ''}{line}" for line in _listed(content.read())}
                elif path not in public and is_secret(path, content.read(forms.BINARY_LOOKED_AT)):
                    suspects.append(path)
    except tarfile.TarError as error:
        message = f"a layer of the saved image, {name}, cannot be read: {error}"
        raise EnvironmentFaultError(message, fix=_BUILD_AGAIN) from None
    secret = [path for path in suspects if path not in public and not _PUBLIC.search(path)]
    return Layer(size, files, ""), secret


def _listed(record: bytes) -> Iterator[str]:
    for line in record.decode("utf-8", "replace").splitlines():
        yield line.rsplit(",", 2)[0].strip('"')


def _contents(
    engine: Engine,
    image: Image,
    layers: dict[str, tuple[Layer, list[str]]],
    links: dict[str, str],
    texts: dict[str, bytes],
) -> Contents:
    """Put the layers in order, as the archive's own manifest lists them."""
    try:
        manifest = json.loads(texts["manifest.json"])[0]
        config = json.loads(texts[links.get(manifest["Config"], manifest["Config"])])
        found = [layers[links.get(name, name)] for name in manifest["Layers"]]
        steps = config.get("history") or []
        commands = [(step.get("created_by", ""), step.get("empty_layer", False)) for step in steps]
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        message = f"{engine.name} saved the image in an unknown form: {error!r}"
        raise EnvironmentFaultError(message, fix=_OTHER_ENGINE) from None
    made = [text for text, empty in commands if not empty]
    made = [""] * (len(found) - len(made)) + made[max(0, len(made) - len(found)) :]
    return Contents(
        layers=tuple(Layer(layer.size, layer.files, text) for (layer, _), text in zip(found, made, strict=True)),
        suspects=tuple(Suspect(at, path) for at, (_, paths) in enumerate(found) for path in paths),
        history=tuple(text for text, _ in commands),
        config_digest=image.id if engine.name == "podman" else f"sha256:{PurePosixPath(manifest['Config']).stem}",
    )
