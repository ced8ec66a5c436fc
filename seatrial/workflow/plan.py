"""What a workflow does for a project: the trials and their runners, the image, the deploy.

The workflow's YAML makes no decisions; it passes its inputs to `seatrial plan` and follows the outputs. Nothing is
installed or built here. Two programs are called: a container engine, to see if it answers, and git, for the lock as it
was.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from seatrial.containers.engine import Engine, find
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.packages import requirements
from seatrial.image import dependencies, push
from seatrial.image.base import is_id
from seatrial.project import Project
from seatrial.system import revision

RUNNER = "ubuntu-24.04"  # if the workflow names none
_DEVICES = {"cpu": ("cpu",), "gpu": ("cuda",), "both": ("cpu", "cuda")}
Runner = str | list[str]
Device = Literal["cpu", "cuda"]
_OF_ONE_MACHINE = "the id of an image that one machine has built, and no runner has"
_INSTEAD = ("dry_run", "rollback", "undeploy")  # what a deploy can do instead of creating a version


@dataclass(frozen=True, slots=True)
class Wanted:
    """The inputs of the workflow.

    Attributes:
        devices: `cpu`, `gpu`, `both`, or "" for the CPU and, if it has a runner, the GPU.
        runner: a label, or a JSON list of labels; `gpu_runner` is the same for a machine with a GPU, "" for none.
        deploy: whether to deploy: to create a model version, or with `dry_run`, `rollback` or `undeploy` to do that
            instead.
        target: `vertex`, or `local` for a rehearsal.
        repository: where the image goes; "" for the project's.
        environment: the GitHub environment that guards a deploy on Google Cloud.
        since: the git revision that a pull request changes; "" if it is none.
    """

    devices: str = ""
    runner: str = ""
    gpu_runner: str = ""
    deploy: bool = False
    dry_run: bool = False
    rollback: bool = False
    undeploy: bool = False
    target: str = "vertex"
    repository: str = ""
    environment: str = ""
    since: str = ""

    @property
    def makes(self) -> bool:
        """Whether it is about a new version, which is proven; a rollback and an undeploy have only those there are."""
        return not (self.rollback or self.undeploy)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the workflow does.

    Attributes:
        matrix: a row for each trial: device, runner (label or list), python.
        runner: for all jobs that never need a GPU; `image_runner` and `deploy_runner` are for those that can.
        prove: whether there are trials: not before a rollback or an undeploy.
        compare: whether the lock that the CPU uses has changed, and is compared with the former one.
        fetch: whether the artifacts lie in Cloud Storage, so that jobs which need their bytes fetch them.
        image: whether an image is built and proven; `push` is whether it is then pushed to a registry.
        image_gigabytes: free disk that its build needs at most, rounded up; 0 without an image.
        image_device: what it is built for; `image_trial` is what it is proven on.
        deploy: whether the last job runs; `arguments` are those of `seatrial deploy`, one a line.
        preview: whether it is a dry run on Google Cloud instead, which changes nothing and needs nobody's approval.
        environment: the GitHub environment that the deploy waits for.
        lane: deploys in the same lane must not run at the same time.
        notes: what the plan leaves out, and why.
    """

    matrix: dict[str, list[dict[str, Any]]]
    runner: Runner
    prove: bool
    compare: bool
    fetch: bool
    image: bool
    push: bool
    image_gigabytes: int
    image_device: Device
    image_trial: Device
    image_runner: Runner
    deploy: bool
    preview: bool
    deploy_runner: Runner
    target: str
    environment: str
    arguments: str
    lane: str
    notes: tuple[str, ...]

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the step; a runner is always JSON, so that the YAML reads labels and lists alike."""
        values = asdict(self)
        runners = ("runner", "image_runner", "deploy_runner")
        return {**values, **{name: json.dumps(values[name]) for name in runners}}

    @property
    def in_words(self) -> str:
        """The plan in one line."""
        rows = (f"{row['device']} on {_shown(row['runner'])}" for row in self.matrix["include"])
        parts = [f"trial: {', '.join(rows)}"] if self.prove else []
        parts += ["the changed lock is compared with the former one"] if self.compare else []
        parts += ["the artifacts are fetched from Cloud Storage"] if self.fetch else []
        parts += [f"image for {self.image_device}"] if self.image else []
        parts += [f"deploy {' '.join(self.arguments.split())}"] if self.deploy or self.preview else ["no deploy"]
        return " · ".join([*parts, *self.notes])


def plan(project: Project, wanted: Wanted, ask: Callable[[str], Engine] = find) -> Plan:
    """Return the plan; `ask` finds the container engine of this machine.

    Raises:
        UsageError: the inputs contradict each other or the project.
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
    image = wanted.deploy and wanted.makes and _image(project, wanted, ask, notes)
    preview = wanted.deploy and wanted.dry_run and wanted.target == "vertex"
    on_gpu = serves == "cuda" and gpu_runner != ""
    return Plan(
        matrix={"include": rows},
        runner=runner,
        prove=wanted.makes,
        compare=wanted.since != "" and _has_another_lock(project, wanted.since, notes),
        fetch=project.locked_artifacts is not None,
        image=image,
        push=image and _pushes(project, wanted),
        image_gigabytes=_gigabytes(project) if image else 0,
        image_device=serves,
        image_trial="cuda" if on_gpu else "cpu",
        image_runner=gpu_runner if on_gpu else runner,
        deploy=wanted.deploy and not preview,
        preview=preview,
        deploy_runner=gpu_runner if on_gpu and wanted.target == "local" else runner,
        target=wanted.target,
        environment=(wanted.environment or "production") if wanted.target == "vertex" else "rehearsal",
        arguments="\n".join(_arguments(wanted)),
        lane=_lane(project, wanted),
        notes=tuple(notes),
    )


def _has_another_lock(project: Project, since: str, notes: list[str]) -> bool:
    """Return whether the CPU's lock is not as it was; what cannot be read from git is no comparison, and is noted."""
    lock = project.lock_for("cpu")
    if not lock.is_file():
        return False
    try:
        before = revision.content_at(since, lock)
    except (UsageError, EnvironmentFaultError) as error:
        notes.append(f"the lock is not compared with the former one: {' '.join(error.message.split())}")
        return False
    return before is not None and before.split() != lock.read_text(encoding="utf-8").split()


def key(folder: Path, repository: str | Path, name: str = "") -> str:
    """Return what tells the artifacts of this call from those of others in the same run.

    Args:
        folder: of the project; of it only the path in `repository` counts.
        repository: where it is checked out.
        name: of the call, if a run has several for one project.
    """
    place = Path(os.path.relpath(folder.resolve(), Path(repository).resolve())).as_posix()
    told = "-".join(filter(None, (re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") for text in (place, name))))
    identity = "\0".join(filter(None, (place, name)))  # no path has this character
    return f"{told[:40].rstrip('-') or 'root'}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


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
            f"{name} is {text}, which is not a JSON list of labels", fix=f'write {name}: \'["self-hosted", "gpu"]\''
        )
    return cast(list[str], labels)


def _devices(wanted: Wanted) -> tuple[str, ...]:
    if wanted.devices not in ("", *_DEVICES):
        raise UsageError(f"device is {wanted.devices!r}", fix=f"it can be {', '.join(_DEVICES)}, or empty")
    devices = _DEVICES[wanted.devices or ("both" if wanted.gpu_runner.strip() else "cpu")]
    if "cuda" in devices and not wanted.gpu_runner.strip():
        raise UsageError(
            f"device is {wanted.devices}, but no GPU runner was given",
            fix="set gpu-runner to the label of a runner with an NVIDIA GPU, or to a JSON list of its labels",
        )
    return devices


def _refuse_contradictions(project: Project, wanted: Wanted, devices: tuple[str, ...]) -> None:
    if wanted.target not in ("local", "vertex"):
        raise UsageError(f"target is {wanted.target!r}", fix="it can be vertex or local")
    if not wanted.deploy:
        for name in _INSTEAD:
            if getattr(wanted, name):
                raise UsageError(f"{name.replace('_', '-')} without deploy does nothing", fix="set deploy to true too")
        return
    both = [name.replace("_", "-") for name in _INSTEAD if getattr(wanted, name)]
    if len(both) > 1:
        raise UsageError(f"{' and '.join(both)} exclude each other", fix="choose one")
    if wanted.target == "vertex" and not project.vertex.project:
        raise UsageError(
            "deploy with target vertex needs the id of a cloud project",
            fix="set the input cloud-project, or vertex.project in [tool.seatrial]; target local rehearses",
        )
    if not wanted.makes:
        return
    serves = project.vertex.device
    if serves not in devices and not (serves == "cuda" and project.vertex.allow_unproven_device):
        needed = "gpu-runner, and a device" if serves == "cuda" else "a device"
        raise UsageError(
            f"the deployed model serves on {serves}, but the trials run only on {', '.join(devices)}",
            fix=f"set {needed} that includes it, such as both",
        )


def _image(project: Project, wanted: Wanted, ask: Callable[[str], Engine], notes: list[str]) -> bool:
    """Return whether the image is built; a rehearsal can do without one, and says why.

    Raises:
        UsageError: Vertex AI needs an image, and the project does not say how to build it or where to push it.
    """
    if wanted.target == "vertex":
        if not project.image.base:
            fix = 'set image.base in [tool.seatrial] to an image with the predictor\'s Python: "NAME@sha256:…"'
            raise UsageError("Vertex AI serves container images, and no base image is configured", fix=fix)
        if is_id(project.image.base):
            raise UsageError(f"image.base is {_OF_ONE_MACHINE}", fix="push it to a registry, and name it by its digest")
        push.repository_of(_repository(project, wanted), project.vertex.region)
        return True
    if not project.image.base:
        notes.append("no image.base is configured: the bundle itself is rehearsed, without an image")
        return False
    if is_id(project.image.base):
        notes.append(f"image.base is {_OF_ONE_MACHINE}: the bundle itself is rehearsed, without an image")
        return False
    try:
        ask(project.image.engine)
    except EnvironmentFaultError as error:
        why = " ".join(error.message.split())
        notes.append(f"{why}: the bundle itself is rehearsed, without an image")
        return False
    return True


def _gigabytes(project: Project) -> int:
    """Return what the build needs of the disk; what git has is there already, and a missing lock is found later."""
    lock = project.lock_for(project.vertex.device)
    pins = requirements.read(lock, project.root).entries if lock.is_file() else ()
    fetched = project.locked_artifacts.size / 1e9 if project.locked_artifacts else 0
    return math.ceil(dependencies.gigabytes(frozenset(pin.name for pin in pins)) + fetched)


def _pushes(project: Project, wanted: Wanted) -> bool:
    """Return whether the image is pushed; a rehearsal pushes only to a registry on this machine."""
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
    return ["--target", wanted.target, *(f"--{name.replace('_', '-')}" for name in _INSTEAD if getattr(wanted, name))]


def _lane(project: Project, wanted: Wanted) -> str:
    """Return the lane: on Google Cloud one for each model; a rehearsal shares nothing with other runs.

    A rollback has a lane of its own: a deploy that waits for an approval must not hold it up, and one that runs notices
    that the endpoint was taken over and stops.
    """
    if wanted.target == "vertex":
        model = f"{project.vertex.project}/{project.vertex.region}/{project.model_id}"
        return f"{model}/rollback" if wanted.rollback else model
    return f"rehearsal/{os.environ.get('GITHUB_RUN_ID', '')}/{project.root.as_posix()}"


def _shown(runner: Runner) -> str:
    return runner if isinstance(runner, str) else "+".join(runner)
