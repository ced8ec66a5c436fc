"""`seatrial image push`: the image that a trial proved, to the registry that its model is made from, by digest.

Only what `seatrial smoke --image` passed is pushed, and what the registry then holds is read back: its manifest must
name the proven configuration. Access tokens live in memory and in a temporary file of the engine's, nowhere else.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import engine as engines
from seatrial import process
from seatrial.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Phase, Stage, Step
from seatrial.inspection import inspect
from seatrial.project import Project
from seatrial.registry import Manifest, read_manifest

PUSH_TIMEOUT = 3600.0  # seconds; how long Google's access tokens live by default
ATTEMPTS = 4
FIRST_PAUSE = 2.0  # seconds, doubled after each attempt, give or take a fifth
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")  # us-central1; multi-regions are `us`, `europe` and `asia`
_ARTIFACT_REGISTRY = re.compile(r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev")
_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+|:)[a-z0-9]+)*")
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1)(?::\d+)?")
_REFUSED = re.compile(
    r"(?i)denied|unauthorized|forbidden|authentication required|no basic auth|name unknown|not found|invalid"
)
# docker names a layer by the start of its unpacked digest; podman says so in its debug log only.
_KEPT = re.compile(
    r"^(?P<short>[0-9a-f]{12}): (?:Layer already exists|Mounted from)|"
    r"(?:Skipping blob sha256:(?P<long>[0-9a-f]{64}) \(already present\))"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """Where images go: the registry's host, the image's name there, and the region (none for a local registry)."""

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
        engine_id: by which its engine knows it; docker with containerd's storage has ids of its own.
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
    """An image in a registry, as its manifest there says.

    Attributes:
        reference: REPOSITORY@DIGEST, which never means another image.
        layers: how many it has; `layers_pushed` of them were not there before.
        bytes: of all layers as the registry keeps them, compressed; `bytes_pushed` of them were sent.
        took: seconds from the first question to the manifest read back.
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
    """Give where `smoke --image` writes what it proved."""
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
        raise UsageError("no image was proven yet", fix="run `seatrial smoke --image REF` first") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is no report of a trial: {error!r}", fix="run `seatrial smoke --image REF`") from None
    if verdict != "passed":
        raise UsageError("the last trial of an image did not pass", fix="run `seatrial smoke --image REF` again")
    return proven


def repository_of(text: str, region: str | None) -> Repository:
    """Read REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE, or a registry of this machine.

    Raises:
        UsageError: it is something else, multi-regional, or not in the `region` of the model.
    """
    if not text:
        raise UsageError(
            "it is not said where the image goes",
            fix='set image.repository = "REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE", or give --repository',
        )
    host, _, name = text.partition("/")
    parts = name.split("/")
    if not all(_PART.fullmatch(part) for part in parts):
        raise UsageError(f"{text} is no name of an image without tag and digest")
    if _LOCAL.fullmatch(host):
        return Repository(host, name, None)
    registry = _ARTIFACT_REGISTRY.fullmatch(host)
    if registry is None:
        raise UsageError(
            f"{host} is no Artifact Registry, and Vertex AI takes images from nowhere else",
            fix="use REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE",
        )
    if not _REGION.fullmatch(registry["location"]):
        raise UsageError(
            f"{host} is multi-regional; a model's image must lie in a repository of the model's own region",
            fix=f"make a repository in one region{f', {region}' if region else ''} and push there",
        )
    if region is not None and registry["location"] != region:
        raise UsageError(
            f"the repository is in {registry['location']}, but the model in {region}",
            fix="use a repository in the model's region, or set vertex.region to the model's",
        )
    if len(parts) < 3:
        raise UsageError(f"{text} lacks a part", fix=f"use {host}/PROJECT/REPOSITORY/IMAGE")
    return Repository(host, name, registry["location"])


def push(proven: Proven, repository: Repository, engine: Engine) -> Stage[Pushed]:
    """Push the proven image unless the registry has it, and give what the registry then says.

    Raises:
        UsageError: the engine no longer has the image.
        EnvironmentFaultError: no credentials, the registry refuses, or it holds another image afterwards.
    """
    began = time.monotonic()
    yield Phase("push")
    if repository.region:
        yield Step(f"{repository} is in {repository.region}; only a model of that region can be made from it")
    token = None if repository.region is None else access_token()
    tag = f"b-{proven.version_digest[:16]}-{proven.image_id.removeprefix('sha256:')[:12]}"
    there = yield from _read(repository, tag, token)
    if there is not None and there.config == proven.image_id:
        yield Step("the registry has it already: nothing is sent")
        pushed = _pushed(repository, proven, there, {digest for digest, _ in there.layers}, began)
    else:
        image = inspect(engine, proven.engine_id)
        kept = yield from _send(engine, image.id, f"{repository}:{tag}", repository.host, token)
        there = yield from _read(repository, tag, token)
        if there is None or there.config != proven.image_id:
            raise EnvironmentFaultError(
                f"{repository}:{tag} names configuration {there.config if there else 'nothing'} after the push, "
                f"not the proven {proven.image_id}",
                fix="push again; if it stays so, another client writes the same tag",
            )
        found = zip(there.layers, image.layers, strict=True)
        present = {layer for (layer, _), unpacked in found if not kept.isdisjoint({_short(layer), _short(unpacked)})}
        pushed = _pushed(repository, proven, there, present, began)
    return pushed


def access_token() -> str:
    """Give an access token of the ambient identity, by Google's Application Default Credentials.

    Raises:
        UsageError: the extra `vertex` is not installed.
        EnvironmentFaultError: there are no credentials here, or they give no token.
    """
    try:
        import google.auth
        import google.auth.exceptions
        import google.auth.transport.requests
    except ImportError:
        fix = "install the tool with its extra: seatrial[push]"
        raise UsageError("google-auth, which knows the ambient identity, is not installed", fix=fix) from None
    try:
        given, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        given.refresh(google.auth.transport.requests.Request())
    except google.auth.exceptions.GoogleAuthError as error:
        raise EnvironmentFaultError(
            f"there is no identity to push with: {error}",
            fix="run `gcloud auth application-default login`, or google-github-actions/auth in a workflow",
        ) from None
    return str(given.token)


def _read(repository: Repository, tag: str, token: str | None) -> Stage[Manifest | None]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return read_manifest(repository.host, repository.name, tag, token)
        except EnvironmentFaultError as error:
            if attempt == ATTEMPTS or _REFUSED.search(error.message):
                raise
            yield from _pause(attempt, error.message)
    raise AssertionError  # the last attempt returns or raises


def _send(engine: Engine, image: str, target: str, host: str, token: str | None) -> Stage[set[str]]:
    """Push an image under a name; give the short digests of the layers that were there before."""
    engine.ask(["tag", image, target])
    options = ["--log-level", "debug"] if engine.name == "podman" else []
    plain = ["--tls-verify=false"] if engine.name == "podman" and token is None else []
    with _logged_in(engine, host, token) as env:
        for attempt in range(1, ATTEMPTS + 1):
            yield Step(f"pushing {target}")
            command = [engine.program, *options, "push", *plain, target]
            code, printed = process.output(command, env=env, timeout=PUSH_TIMEOUT, both=True)
            if code == 0:
                found = [match for line in printed.splitlines() if (match := _KEPT.search(line))]
                return {match["short"] or match["long"][:12] for match in found}
            reason = "\n".join(line for line in printed.splitlines() if "level=debug" not in line)[-1000:]
            if attempt == ATTEMPTS or _REFUSED.search(reason):
                raise EnvironmentFaultError(f"{engine.name} could not push {target}:\n{reason}")
            yield from _pause(attempt, reason)
    raise AssertionError  # the last attempt returns or raises


def _pause(attempt: int, reason: str) -> Iterator[Step]:
    seconds = FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
    yield Step(f"attempt {attempt} of {ATTEMPTS} failed, the next in {seconds:.0f} s: {reason.splitlines()[-1][:200]}")
    time.sleep(seconds)


@contextlib.contextmanager
def _logged_in(engine: Engine, host: str, token: str | None) -> Iterator[dict[str, str]]:
    """Give the engine's environment with a login that is gone after the block; the user's own login stays as it is.

    The file is what `login --username oauth2accesstoken` would write, without the credential store of the desktop
    that docker would choose for it.
    """
    env = engines.environment()
    if token is None:
        yield env
        return
    auth = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
    with tempfile.TemporaryDirectory(prefix="seatrial-login-") as folder:  # readable by nobody else
        file = Path(folder) / "config.json"
        file.write_text(json.dumps({"auths": {host: {"auth": auth}}}), encoding="utf-8")
        if engine.name == "podman":
            yield env | {"REGISTRY_AUTH_FILE": str(file)}
        else:  # another folder of configuration has no contexts, so the daemon's address is said
            daemon = engine.ask(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip()
            yield env | {"DOCKER_CONFIG": folder, "DOCKER_HOST": env.get("DOCKER_HOST", daemon)}


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


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
