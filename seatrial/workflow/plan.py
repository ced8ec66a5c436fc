"""`seatrial plan`: what a workflow shall do for a project: the trials, on which runners, the image, the deploy.

The workflow's YAML decides nothing by itself; it passes its inputs on and follows the outputs. Nothing is installed or
built here, and only a container engine is asked whether it is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from seatrial.containers.engine import Engine, find
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.image import push
from seatrial.project import Project

RUNNER = "ubuntu-24.04"  # where the workflow names none
_DEVICES = {"cpu": ("cpu",), "gpu": ("cuda",), "both": ("cpu", "cuda")}
Runner = str | list[str]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the workflow was asked for, as its inputs say.

    Attributes:
        devices: `cpu`, `gpu`, `both`, or "" for the CPU, and the GPU too where there is a runner with one.
        runner: a label, or a JSON list of labels; `gpu_runner` is that of a machine with a GPU, "" without one.
        deploy: whether a model version is to be created; `dry_run` and `rollback` say what else instead.
        target: `vertex`, or `local` for a rehearsal.
        repository: where the image goes; "" for the one in the project.
        environment: that guards a deploy on Google Cloud.
    """

    devices: str = ""
    runner: str = ""
    gpu_runner: str = ""
    deploy: bool = False
    dry_run: bool = False
    rollback: bool = False
    target: str = "vertex"
    repository: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        matrix: a row for each trial: device, runner (label or list), python.
        runner: of all jobs that need no GPU; `image_runner` and `deploy_runner` may.
        prove: whether trials come first: not before a rollback.
        image: whether an image is built and proven; `push` whether it then goes to a registry.
        image_device: what it is built for; `image_trial` where it is proven.
        deploy: whether the last job runs, with `arguments` for `seatrial deploy`, one a line.
        environment: of GitHub that the deploy waits for.
        lane: deploys of the same lane must not run at the same time.
        notes: what the plan leaves out, and why.
    """

    matrix: dict[str, list[dict[str, Any]]]
    runner: Runner
    prove: bool
    image: bool
    push: bool
    image_device: Device
    image_trial: Device
    image_runner: Runner
    deploy: bool
    deploy_runner: Runner
    target: str
    environment: str
    arguments: str
    lane: str
    notes: tuple[str, ...]

    def outputs(self) -> dict[str, Any]:
        """Give the outputs of the step; a runner is always JSON, so that the YAML can read label and list alike."""
        values = asdict(self)
        runners = ("runner", "image_runner", "deploy_runner")
        return {**values, **{name: json.dumps(values[name]) for name in runners}}

    @property
    def in_words(self) -> str:
        """The plan in one line."""
        rows = (f"{row['device']} on {_shown(row['runner'])}" for row in self.matrix["include"])
        parts = [f"trial: {', '.join(rows)}"] if self.prove else []
        parts += [f"image for {self.image_device}"] if self.image else []
        parts += [f"deploy {' '.join(self.arguments.split())}"] if self.deploy else ["no deploy"]
        return " · ".join([*parts, *self.notes])


def plan(project: Project, wanted: Wanted, ask: Callable[[str], Engine] = find) -> Plan:
    """Make the plan; `ask` finds the container engine of this machine.

    Raises:
        UsageError: inputs that contradict each other, or that the project does not fit.
    """
    runner, gpu_runner = _runner(wanted.runner or RUNNER, "runner"), _runner(wanted.gpu_runner, "gpu-runner")
    devices = _devices(wanted)
    _refuse_contradictions(project, wanted, devices)
    rows: list[dict[str, Any]] = [
        {"device": device, "runner": gpu_runner if device == "cuda" else runner, "python": project.python}
        for device in devices
    ]
    serves = project.vertex.device
    notes: list[str] = []
    image = wanted.deploy and not wanted.rollback and _image(project, wanted, ask, notes)
    on_gpu = serves == "cuda" and gpu_runner != ""
    return Plan(
        matrix={"include": rows},
        runner=runner,
        prove=not wanted.rollback,
        image=image,
        push=image and _pushes(project, wanted),
        image_device=serves,
        image_trial="cuda" if on_gpu else "cpu",
        image_runner=gpu_runner if on_gpu else runner,
        deploy=wanted.deploy,
        deploy_runner=gpu_runner if on_gpu and wanted.target == "local" else runner,
        target=wanted.target,
        environment=(wanted.environment or "production") if wanted.target == "vertex" else "rehearsal",
        arguments="\n".join(_arguments(wanted)),
        lane=_lane(project, wanted.target),
        notes=tuple(notes),
    )


def key(folder: Path, repository: str | Path) -> str:
    """Give what tells the artifacts of this project from those of others in the same run, also before it is read."""
    place = Path(os.path.relpath(folder.resolve(), Path(repository).resolve())).as_posix()
    name = re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-")[:40].rstrip("-") or "root"
    return f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _runner(text: str, name: str) -> Runner:
    """Read a label, or a JSON list of labels."""
    if not text.strip().startswith("["):
        return text.strip()
    try:
        labels = json.loads(text)
    except ValueError:
        labels = None
    if not labels or not all(isinstance(label, str) and label.strip() for label in labels):
        raise UsageError(
            f"{name} is {text}, which is no JSON list of labels", fix=f'write {name}: \'["self-hosted", "gpu"]\''
        )
    return cast(list[str], labels)


def _devices(wanted: Wanted) -> tuple[str, ...]:
    if wanted.devices not in ("", *_DEVICES):
        raise UsageError(f"device is {wanted.devices!r}", fix=f"it can be {', '.join(_DEVICES)}, or empty")
    devices = _DEVICES[wanted.devices or ("both" if wanted.gpu_runner.strip() else "cpu")]
    if "cuda" in devices and not wanted.gpu_runner.strip():
        raise UsageError(
            f"device is {wanted.devices}, but no GPU runner was given",
            fix="give gpu-runner the label of a runner that has an NVIDIA GPU, or a JSON list of its labels",
        )
    return devices


def _refuse_contradictions(project: Project, wanted: Wanted, devices: tuple[str, ...]) -> None:
    if wanted.target not in ("local", "vertex"):
        raise UsageError(f"target is {wanted.target!r}", fix="it can be vertex or local")
    if not wanted.deploy:
        for name in ("dry_run", "rollback"):
            if getattr(wanted, name):
                raise UsageError(f"{name.replace('_', '-')} without deploy does nothing", fix="set deploy to true too")
        return
    if wanted.dry_run and wanted.rollback:
        raise UsageError("dry-run and rollback exclude each other", fix="choose one")
    if wanted.target == "vertex" and not project.vertex.project:
        raise UsageError(
            "deploy with target vertex needs the id of a cloud project",
            fix="set the input cloud-project, or vertex.project in [tool.seatrial]; target local rehearses",
        )
    if wanted.rollback:
        return
    serves = project.vertex.device
    if serves not in devices and not (serves == "cuda" and project.vertex.allow_unproven_device):
        needed = "gpu-runner, and a device" if serves == "cuda" else "a device"
        raise UsageError(
            f"what is deployed serves on {serves}, but the trials run on {', '.join(devices)} only",
            fix=f"give {needed} that covers it (both does)",
        )


def _image(project: Project, wanted: Wanted, ask: Callable[[str], Engine], notes: list[str]) -> bool:
    """Tell whether the image is built; a rehearsal goes on without one and says why.

    Raises:
        UsageError: Vertex AI needs an image, and the project does not say how it is made or where it goes.
    """
    if wanted.target == "vertex":
        if not project.image.base:
            fix = 'set image.base in [tool.seatrial] to an image with the predictor\'s Python: "NAME@sha256:…"'
            raise UsageError("Vertex AI serves container images, and no base image is configured", fix=fix)
        push.repository_of(_repository(project, wanted), project.vertex.region)
        return True
    if not project.image.base:
        notes.append("no image.base is configured: the bundle itself is rehearsed, without an image")
        return False
    try:
        ask(project.image.engine)
    except EnvironmentFaultError as error:
        why = " ".join(error.message.split())
        notes.append(f"{why}: the bundle itself is rehearsed, without an image")
        return False
    return True


def _pushes(project: Project, wanted: Wanted) -> bool:
    """A rehearsal never sends anything to the cloud: only to a registry of this machine."""
    if wanted.target == "vertex":
        return True
    repository = _repository(project, wanted)
    try:
        return repository != "" and push.repository_of(repository, None).region is None
    except UsageError:
        return False


def _repository(project: Project, wanted: Wanted) -> str:
    return wanted.repository or project.image.repository


def _arguments(wanted: Wanted) -> list[str]:
    what = ["--dry-run"] if wanted.dry_run else ["--rollback"] if wanted.rollback else []
    return ["--target", wanted.target, *what]


def _lane(project: Project, target: str) -> str:
    """On Google Cloud a model is a lane; a rehearsal shares nothing with another run."""
    if target == "vertex":
        return f"{project.vertex.project}/{project.vertex.region}/{project.model_id}"
    return f"rehearsal/{os.environ.get('GITHUB_RUN_ID', '')}/{project.root.as_posix()}"


def _shown(runner: Runner) -> str:
    return runner if isinstance(runner, str) else "+".join(runner)
