"""`seatrial image push`: the image that a trial proved, to the registry that its model takes it from.

Only an image that passed `seatrial smoke --image` is pushed. The manifest is then read back from the registry and must
name the proven configuration. Nothing is built here, and the proven image is not changed.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import bundle
from seatrial.containers.engine import Engine
from seatrial.containers.inspection import inspect
from seatrial.containers.registry import Manifest, read_manifest
from seatrial.containers.upload import persistently, upload
from seatrial.errors import EnvironmentFaultError, SeatrialError, UsageError
from seatrial.findings import Phase, Stage, Step
from seatrial.project import Project
from seatrial.system.identity import Identity, ambient

_REGION = re.compile(r"[a-z]+-[a-z]+\d+")  # us-central1; multi-regions are `us`, `europe` and `asia`
_ARTIFACT_REGISTRY = re.compile(r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev")
_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+|:)[a-z0-9]+)*")
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where images go: the registry's host, the image's name there, and its region (None for a local registry)."""

    host: str
    name: str
    region: str | None

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"


@dataclass(frozen=True, slots=True)
class Proven:
    """The image that a trial passed, from its report.

    Attributes:
        image_id: the digest of its configuration, which a registry's manifest names.
        engine_id: its id in its engine; docker with containerd's store has ids of its own.
        engine: `docker` or `podman`.
    """

    image_id: str
    engine_id: str
    engine: str
    version_digest: str
    bundle_digest: str
    device: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in a registry, as its manifest there describes it.

    Attributes:
        reference: REPOSITORY@DIGEST, which never means another image.
        layers: how many it has; the registry did not have `layers_pushed` of them before.
        bytes: the compressed size of all layers; `bytes_pushed` of them were sent.
        took: seconds from the first request until the manifest was read back.
    """

    reference: str
    digest: str
    image_id: str
    version_digest: str
    bundle_digest: str
    device: str
    layers: int
    layers_pushed: int
    bytes: int
    bytes_pushed: int
    took: float


def report_file(project: Project) -> Path:
    """Return the path of the report that `smoke --image` writes."""
    return project.build_dir / "image/smoke.json"


def proven_image(project: Project) -> Proven:
    """Read the report of the last trial of an image.

    Raises:
        UsageError: there is none, or it did not pass.
    """
    file = report_file(project)
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        verdict = report["verdict"]
        proven = Proven(**{name: str(report[name]) for name in Proven.__slots__})
    except FileNotFoundError:
        raise UsageError("no image has been proven yet", fix="run `seatrial smoke --image REF` first") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} is not a report of a trial: {error!r}", fix="run `seatrial smoke --image REF`"
        ) from None
    if verdict != "passed":
        raise UsageError("the last trial of an image did not pass", fix="run `seatrial smoke --image REF` again")
    return proven


def repository_of(text: str, region: str | None) -> Repository:
    """Read REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE, or an image of a registry on this machine.

    Raises:
        UsageError: it has another form, is multi-regional, or is not in the `region` of the model.
    """
    if not text:
        raise UsageError(
            "no repository is set for the image",
            fix='set image.repository = "REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE", or use --repository',
        )
    host, _, name = text.partition("/")
    parts = name.split("/")
    if not all(_PART.fullmatch(part) for part in parts):
        raise UsageError(
            f"{text} is not the name of an image without tag and digest",
            fix="use lower-case letters, digits and - _ . / as in REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE",
        )
    if _LOCAL.fullmatch(host):
        return Repository(host, name, None)
    registry = _ARTIFACT_REGISTRY.fullmatch(host)
    if registry is None:
        raise UsageError(
            f"{host} is not an Artifact Registry, the only kind that Vertex AI takes images from",
            fix="use REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE",
        )
    if not _REGION.fullmatch(registry["location"]):
        raise UsageError(
            f"{host} is multi-regional; a model's image must be in a repository of the model's own region",
            fix=f"create a repository in one region{f', {region}' if region else ''} and push there",
        )
    if region is not None and registry["location"] != region:
        raise UsageError(
            f"the repository is in {registry['location']}, but the model is in {region}",
            fix="use a repository in the model's region, or set vertex.region to the model's",
        )
    if len(parts) < 3:
        raise UsageError(f"{text} has too few parts", fix=f"use {host}/PROJECT/REPOSITORY/IMAGE")
    return Repository(host, name, registry["location"])


def changes_since(project: Project, proven: Proven) -> Stage[None]:
    """Report whether the project has changed since it was proven; the proven image is pushed all the same."""
    try:
        digest = bundle.digest_of(project, proven.device)
    except (SeatrialError, OSError) as error:
        now = f"now makes no bundle: {error}"
    else:
        if digest == proven.bundle_digest:
            return
        now = f"is now bundle {digest[:12]}"
    kept = f"the proven image, of bundle {proven.bundle_digest[:12]}, is pushed"
    yield Step(f"{kept}; the project has changed since: it {now}")


def push(proven: Proven, repository: Repository, engine: Engine) -> Stage[Pushed]:
    """Push the proven image unless the registry has it; return what the registry then describes.

    Raises:
        UsageError: the engine no longer has the image.
        EnvironmentFaultError: no credentials, the registry refuses, or it has another image afterwards.
    """
    began = time.monotonic()
    yield Phase("push")
    if repository.region:
        yield Step(f"{repository} is in {repository.region}; only models of that region can use it")
    identity = None if repository.region is None else ambient()
    tag = f"b-{proven.version_digest[:16]}-{proven.image_id.removeprefix('sha256:')[:12]}"
    there = yield from _read(repository, tag, identity)
    if there is not None and there.config == proven.image_id:
        yield Step("the registry has it already; nothing is sent")
        return _pushed(repository, proven, there, {digest for digest, _ in there.layers}, began)
    image = inspect(engine, proven.engine_id)
    uploaded = yield from upload(engine, image.id, f"{repository}:{tag}", identity)
    there = yield from _read(repository, tag, identity)
    if there is None or there.config != proven.image_id:
        raise EnvironmentFaultError(
            f"{repository}:{tag} names configuration {there.config if there else 'nothing'} after the push, "
            f"not the proven {proven.image_id}",
            fix="push again; if it happens again, stop the other client that writes this tag",
        )
    found = zip(there.layers, image.layers, strict=True)
    present = {layer for (layer, _), unpacked in found if uploaded.had(layer, unpacked)}
    return _pushed(repository, proven, there, present, began)


def _read(repository: Repository, tag: str, identity: Identity | None) -> Stage[Manifest | None]:
    """Read the manifest of a tag with a fresh token: a long push outlives the last one."""

    def read() -> Stage[Manifest | None]:
        yield from ()
        return read_manifest(repository.host, repository.name, tag, identity.token() if identity else None)

    return (yield from persistently(read))


def _pushed(repository: Repository, proven: Proven, there: Manifest, present: set[str], began: float) -> Pushed:
    sent = [size for digest, size in there.layers if digest not in present]
    return Pushed(
        reference=f"{repository}@{there.digest}",
        digest=there.digest,
        image_id=proven.image_id,
        version_digest=proven.version_digest,
        bundle_digest=proven.bundle_digest,
        device=proven.device,
        layers=len(there.layers),
        layers_pushed=len(sent),
        bytes=sum(size for _, size in there.layers),
        bytes_pushed=sum(sent),
        took=round(time.monotonic() - began, 3),
    )
