"""`seatrial smoke --image`: the trial of a container image: identity, layers, load → answers → stop, a failed load.

The image must be built from the project as it is now, so that the image that ships is the one that was proven.
Nothing is built here, and the image is not changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial import bundle, golden
from seatrial.containers import labels
from seatrial.containers.engine import Engine
from seatrial.containers.inspection import Contents, Image, inspect, read_layers
from seatrial.errors import UsageError
from seatrial.facts.gather import Gathered
from seatrial.facts.packages import requirements
from seatrial.facts.secrets import variables
from seatrial.findings import Phase, Stage, Step, watched
from seatrial.project import Project
from seatrial.rules.serving.container import NO_END
from seatrial.rules.supply.credentials import SECRET_IN_CONFIG, SECRET_IN_LAYER
from seatrial.trial import container, memory
from seatrial.trial.container import ContainerServer, Isolation
from seatrial.trial.failures import LOG_TAIL
from seatrial.trial.full import Full, surroundings
from seatrial.trial.observe import CUDA_PROBE, Trial, judge_cuda_probe, observe, versions_in

# The contract's own limit, from the log line of the failure to the end that the engine dates. That takes 2 to 18 ms
# with docker 20.10 and podman 4.3 on 2 cores, also beside 4 busy processes (12 times each), so no slack is added.
END_SECONDS = 1.0
_NOWHERE = "/tmp/no-such-artifacts"  # noqa: S108 - a path of the container, where /tmp is empty


@dataclass(slots=True)
class ImageTrial:
    """What a trial of an image has proved so far: what any server's trial shows, and what only an image shows.

    Attributes:
        trial: as of any server.
        image: as the engine knows it.
        contents: of its layers.
        version_digest: 64 hex digits, from the image's label.
        engine: `docker` or `podman`.
        failed_load_seconds: from the log line of a failed load to the container's end.
    """

    trial: Trial
    image: Image
    version_digest: str
    engine: str
    contents: Contents | None = None
    failed_load_seconds: float = 0.0

    def sizes(self) -> Iterator[str]:
        """Yield a line for each layer, from the base up: its size unpacked, its entries, and what made it."""
        for number, layer in enumerate(self.contents.layers if self.contents else (), start=1):
            made_by = " ".join(layer.made_by.replace("/bin/sh -c #(nop)", "").split())
            yield f"layer {number}: {layer.size / 1e6:10.3f} MB, {layer.files:6} entries  {made_by[:60]}".rstrip()

    def particulars(self) -> dict[str, Any]:
        """Return what the report of an image has beyond that of any trial."""
        layers = self.contents.layers if self.contents else ()
        return {
            "version_digest": self.version_digest,
            "image_id": self.contents.config_digest if self.contents else None,
            "engine_id": self.image.id,
            "engine": self.engine,
            "layers": [{"bytes": layer.size, "entries": layer.files, "made_by": layer.made_by} for layer in layers],
            "healthy_after": round(self.trial.healthy_after, 3),
            "stopped_after": round(self.trial.stopped_after, 3),
            "failed_load_seconds": round(self.failed_load_seconds, 3),
        }


def smoke_image(
    gathered: Gathered, reference: str, engine: Engine, device: str, *, full: bool = False
) -> Stage[ImageTrial]:
    """Run the whole trial of an image that the engine has, on `cpu` or `cuda`, `full` or at the default depth.

    Raises:
        UsageError: the image does not exist, or it was not built from the project as it is now.
        EnvironmentFaultError: the engine fails, or the device does not exist.
    """
    project = gathered.project
    yield Phase("image")
    tried = identify(project, reference, engine, device)
    _, broken = yield from watched(search(project, tried, engine))
    if not broken:
        yield from run(gathered, tried, engine, full=full)
    return tried


def identify(project: Project, reference: str, engine: Engine, device: str) -> ImageTrial:
    """Begin the trial of an image that was built from the project as it is now.

    Raises:
        UsageError: the image does not exist, or it was built from something else.
    """
    image = inspect(engine, reference)
    trial = Trial(device, tolerance=project.smoke.tolerance_for(device))
    trial.bundle_digest = _same_bundle(project, image, reference, device)
    lock = requirements.read(project.lock_for(device), project.root)
    trial.versions = {"python": image.labels.get(labels.PYTHON, project.python), **versions_in(lock, project.python)}
    return ImageTrial(trial, image, image.labels[labels.VERSION], engine.name)


def search(project: Project, tried: ImageTrial, engine: Engine) -> Stage[None]:
    """Read every layer and the configuration: sizes, and what looks like a credential."""
    yield Step(f"reading every layer of {tried.image.id[:19]}")
    tried.contents = read_layers(engine, tried.image, f"{project.name}-predictor".replace("-", "_"))
    total = sum(layer.size for layer in tried.contents.layers)
    yield Step(f"{len(tried.contents.layers)} layers, {total / 1e6:.1f} MB unpacked")
    yield from _secrets(tried.image, tried.contents)


def run(gathered: Gathered, tried: ImageTrial, engine: Engine, *, full: bool = False) -> Stage[None]:
    """Run the image: load, answers, stop, and a load that fails."""
    project, trial, image = gathered.project, tried.trial, tried.image
    allowed = memory.limit(project)
    examples = golden.read(project.artifacts_dir)
    depth = Full(gathered, examples, trial) if full else None
    with container.isolated(engine, project.vertex.env, memory.shared_memory(project)) as isolation:
        if trial.device == "cuda":
            yield Phase("device")
            probed = container.run_script(isolation, image, CUDA_PROBE, trial.device, allowed)
            _, broken = yield from watched(judge_cuda_probe(*probed, trial))
            if broken:
                return
        yield Phase("load")
        with container.serve(isolation, image, trial.device, allowed) as server:
            yield from observe(gathered, server, examples, trial, depth.prove if depth else None)
            trial.log = server.log
        if not trial.finished:
            return
        yield Step(f"stopped {trial.stopped_after:.2f} s after SIGTERM")
        if depth and depth.inputs:
            other = surroundings.of_container(project)
            with container.serve(isolation, image, trial.device, allowed, surroundings.USER, **other) as server:
                yield from depth.elsewhere(server)
        yield Phase("failed load")
        trial.finished = False
        yield from _fail_to_load(project, isolation, tried)
        trial.finished = True


def _same_bundle(project: Project, image: Image, reference: str, device: str) -> str:
    """Return the bundle digest of image and project.

    Raises:
        UsageError: the two differ.
    """
    missing = [label for label in (labels.BUNDLE, labels.VERSION) if label not in image.labels]
    if missing:
        raise UsageError(
            f"{reference} has no label {missing[0]}, so what it was built from is not known",
            fix="build it with `seatrial image build`",
        )
    labelled, now = image.labels[labels.BUNDLE], bundle.digest_of(project, device)
    if labelled != now:
        made_for = image.labels.get(labels.DEVICE, device)
        raise UsageError(
            f"{reference} holds bundle {labelled}; the project as it is now is bundle {now}",
            fix="build the image again with `seatrial image build`"
            if made_for == device
            else f"the image is made for {made_for}: try it with --device {made_for}",
        )
    return now


def _secrets(image: Image, contents: Contents) -> Stage[None]:
    """Yield what looks like a credential in layers, environment, labels or history, without its value."""
    for suspect in contents.suspects:
        where = f"layer {suspect.layer + 1} of {len(contents.layers)}"
        made_by = " ".join(contents.layers[suspect.layer].made_by.split())[:200]
        yield SECRET_IN_LAYER.finding(
            f"{where} holds /{suspect.path}, which looks like a credential",
            subject=f"/{suspect.path}",
            evidence=(f"made by: {made_by}",) if made_by else (),
        )
    for name, _, value in (variable.partition("=") for variable in image.env):
        if name.startswith("AIP_"):
            yield SECRET_IN_CONFIG.finding(f"the image sets {name}, which is Vertex AI's to set", subject=name)
        elif variables.is_secret_variable(name, value):
            yield SECRET_IN_CONFIG.finding(f"the image's variable {name} holds a credential", subject=name)
    for name, value in image.labels.items():
        if variables.is_secret_variable(name.replace(".", "_").replace("-", "_"), value):
            yield SECRET_IN_CONFIG.finding(f"the image's label {name} holds a credential", subject=name)
    for number, command in enumerate(contents.history, start=1):
        for name in variables.secrets_in_command(command):
            yield SECRET_IN_CONFIG.finding(
                f"step {number} of the image's history holds a credential: {name}", subject=name
            )


def _fail_to_load(project: Project, isolation: Isolation, tried: ImageTrial) -> Stage[None]:
    """Start the image with artifacts that do not exist: it must log that once, and end."""
    yield Step("starting it once more, with artifacts that do not exist")
    limits = project.smoke
    allowed = memory.limit(project)
    with container.serve(isolation, tried.image, tried.trial.device, allowed, AIP_STORAGE_URI=_NOWHERE) as server:
        code, failures = _until_ended(server, limits.load_timeout)
        evidence = tuple(server.log[-LOG_TAIL:])
        if code is None or code == 0 or len(failures) != 1:
            what = "keeps running" if code is None else f"ended with {server.ending}"
            times = f"{len(failures)} failed load{'' if len(failures) == 1 else 's'}"
            yield NO_END.finding(f"a container whose load fails {what}, after {times}", evidence=evidence)
            return
        failed_at = _time_of(failures[0])
        if failed_at is None:
            message = "a container whose load failed did not log the time, so how soon it ended is not known"
            yield NO_END.finding(message, evidence=evidence)
            return
        tried.failed_load_seconds = max(0.0, (server.ended_at - failed_at).total_seconds())
    yield Step(f"it ended with exit code {code}, {tried.failed_load_seconds:.3f} s after the load had failed")
    if tried.failed_load_seconds > END_SECONDS:
        yield NO_END.finding(
            f"a container whose load failed ended {tried.failed_load_seconds:.1f} s later; "
            f"the serving contract allows {END_SECONDS:g} s",
            evidence=evidence,
        )


def _time_of(record: dict[str, Any]) -> datetime | None:
    """Return the time of a log record; None if it has none, or one without a time zone."""
    try:
        time_of = datetime.fromisoformat(str(record.get("time")))
    except ValueError:
        return None
    return time_of if time_of.tzinfo else None


def _until_ended(server: ContainerServer, timeout: float) -> tuple[int | None, list[dict[str, Any]]]:
    """Return the exit code and the failed loads; no code if a second load fails, or after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        code = server.wait_for_end(0.2)
        failures = server.failures()
        if code is not None or len(failures) > 1 or time.monotonic() > deadline:
            return code, failures
