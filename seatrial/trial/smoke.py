"""`seatrial smoke`: check → build → environment → load → golden answers → stop, on one device.

At the default depth the server has one process that predicts, because each further one loads torch for itself: the
demo's trial took 0.74 of the time of one with two. A full trial has as many as the settings say.

Each stage works in its own module; this one only joins them, and `observe` judges what the server does. Errors of a
stage end the trial, except that an inconsistent environment is still started: what really happens in it is better
evidence.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from seatrial import golden
from seatrial.bundle import Bundle, build
from seatrial.check.run import check
from seatrial.environment import install, interpreter, store
from seatrial.environment.store import Copy, Kept
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.gather import Gathered
from seatrial.facts.packages import requirements
from seatrial.facts.predictor import Kind, Predictor
from seatrial.findings import Phase, Stage, watched
from seatrial.golden import GoldenExample
from seatrial.image import contents
from seatrial.image.contents import Contents
from seatrial.project import Project
from seatrial.rules.devices.cuda import too_old_driver
from seatrial.rules.lock.runtime import outside_runtime
from seatrial.serving.machine import ONE_WORKER
from seatrial.system import process
from seatrial.trial import memory, optimized, stages
from seatrial.trial.full import Full, surroundings
from seatrial.trial.observe import CUDA_PROBE, Trial, judge_cuda_probe, observe, versions_in
from seatrial.trial.sealing.view import Target
from seatrial.trial.server import USUAL, run_script, serve

_QUICK = replace(USUAL, variables={ONE_WORKER: "1"})


def smoke(gathered: Gathered, device: str, *, skip_check: bool = False, full: bool = False) -> Stage[Trial]:
    """Run the whole trial of a project on `cpu` or `cuda`, `full` or at the default depth.

    Raises:
        UsageError: the project cannot be read or built, or names no class.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    project = gathered.project
    trial = Trial(device, tolerance=project.smoke.tolerance_for(device))
    if device == "cuda":
        require_card()
    if not skip_check:
        yield Phase("check")
        _, broken = yield from watched(check(gathered))
        if broken:
            return trial
    require_class(gathered.facts.predictor)
    yield Phase("build")
    examples = golden.read(project.artifacts_dir)
    bundle = yield from build(project, device)
    if bundle is None:
        return trial
    trial.bundle_digest = bundle.digest
    yield Phase("environment")
    kept, broken = yield from watched(keep(project, device, trial.versions))
    if kept is None or broken:
        return trial
    yield from store.announce_full_copy(kept)
    with store.copy(kept, hollow=True) as copy:
        install.install_wheels(copy, [bundle.predictor_wheel, bundle.runtime_wheel])
        yield from install.inconsistencies(copy, requirements.read(project.lock_for(device), project.root))
        depth = Full(gathered, examples, trial) if full else None
        _, broken = yield from watched(_on_device(gathered, bundle, copy, examples, trial, depth))
        if broken and device == "cuda":
            return trial
        if trial.unsealed:  # else the kernel refused every change of an installed file
            yield from store.settle(copy)
    return trial


def require_class(predictor: Predictor) -> None:
    """Refuse what only another server can run.

    Raises:
        UsageError: `predictor` names an application or a handler.
    """
    if predictor.kind in (Kind.APPLICATION, Kind.HANDLER):
        raise UsageError(
            f"`{predictor.name}` is {predictor.kind} of {predictor.server}, and a trial serves a predictor class",
            fix="name a class with load(), preprocess() and predict() in `predictor`; `seatrial check` judges the rest "
            "of such a project as it is",
        )


def driver() -> str:
    """Return the version of the NVIDIA driver; "" if it does not say."""
    code, printed = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader")
    return printed.strip().splitlines()[0].strip() if code == 0 and printed.strip() else ""


def _nvidia_smi(*arguments: str) -> tuple[int, str]:
    command = shutil.which("nvidia-smi")
    return process.output([command, *arguments], env=process.install_environment(), timeout=20) if command else (1, "")


def require_card() -> None:
    """Fail at once if no NVIDIA driver answers.

    Raises:
        EnvironmentFaultError: there is no card.
    """
    code, printed = _nvidia_smi("-L")
    if code != 0 or "GPU " not in printed:
        raise EnvironmentFaultError(
            "--device cuda needs an NVIDIA GPU, and the driver of this machine shows none",
            fix="run it on a GPU runner, or use --device cpu",
        )


def made_ready(gathered: Gathered, device: str) -> Stage[tuple[Bundle, Kept] | None]:
    """Build the bundle and the kept environment for a predictor that is asked without a trial; None after a finding.

    Raises:
        UsageError: the project cannot be built, or names no class.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    if device == "cuda":
        require_card()
    require_class(gathered.facts.predictor)
    yield Phase("build")
    bundle = yield from build(gathered.project, device)
    if bundle is None:
        return None
    yield Phase("environment")
    kept, broken = yield from watched(keep(gathered.project, device, {}))
    return None if kept is None or broken else (bundle, kept)


def keep(project: Project, device: str, versions: dict[str, str]) -> Stage[Kept | None]:
    """Return the kept environment of a device's lock; note in `versions` what decides the predictions.

    None after a finding; on the GPU also if its driver is too old for the locked CUDA, which is told before gigabytes
    are installed.
    """
    if device == "cuda":
        old = too_old_driver(driver(), requirements.read(project.lock_for(device), project.root), project.python)
        if old is not None:
            yield old
            return None
    return (yield from keep_lock(project, project.lock_for(device), versions))


def keep_lock(project: Project, lock_file: Path, versions: dict[str, str], shown_as: str = "") -> Stage[Kept | None]:
    """Return the kept environment of any lock with the project's Python; `shown_as` replaces its path in findings."""
    lock = requirements.read(lock_file, project.root, shown_as)
    yield from outside_runtime(lock, requirements.read_runtime("requirements.in"), project.python)
    found = yield from interpreter.find(project.python)
    versions |= {"python": found.version, **versions_in(lock, project.python)}
    runtime_lock = requirements.read_runtime("requirements.txt")
    merged = install.merge(lock, lock_file.read_text(encoding="utf-8"), runtime_lock)
    return (yield from install.keep(merged, found))


def target_of(project: Project) -> tuple[Target, str]:
    """Return the image that a trial stands for, and what it is, in words.

    It is the configured base as it is on this machine, or a slim one.
    """
    own, shared = project.vertex.env, memory.shared_memory(project)
    listed = contents.of_base(project) if project.image.base else None
    if isinstance(listed, Contents):
        return Target(project.smoke.image_has, listed, own, shared), f"{listed.name} is"
    words = "slim Python images are" + (f", because {listed}" if listed else "")
    return Target(project.smoke.image_has, None, own, shared), words


def _on_device(
    gathered: Gathered,
    bundle: Bundle,
    copy: Copy,
    examples: tuple[GoldenExample, ...],
    trial: Trial,
    full: Full | None,
) -> Stage[None]:
    target, trial.sealed_as = target_of(gathered.project)
    if has := target.has:
        trial.unproven.append(f"that the image has {', '.join(has)}, as smoke.image-has says")
    if trial.device == "cuda":
        yield Phase("device")
        probed = run_script(copy, CUDA_PROBE, "cuda", target)
        _, broken = yield from watched(judge_cuda_probe(*probed, trial))
        if broken:
            return
    with contextlib.ExitStack() as stack:
        replay = partial(stages.started, copy.kept, bundle, trial.device, target)
        recorded = stages.is_recorded(gathered.project)
        beside = recorded and full is None and stages.fits_beside(gathered.project, trial.device)
        script = stack.enter_context(replay()) if beside else None
        yield Phase("load")
        usual = USUAL if full else _QUICK
        with serve(copy, bundle, trial.device, target, usual) as server:
            yield from observe(gathered, server, examples, trial, full.prove if full else None)
            yield from optimized.unchanged(server)
            trial.log = server.log
        if recorded and trial.finished:
            script = script or stack.enter_context(replay())
            training = stages.of_training(gathered.project, examples)
            if not (yield from stages.judge(gathered.project, script, trial.device, training, trial.stages)):
                trial.unproven.append("where answers would differ: the recorded stages could not be replayed")
    if gathered.project.serving.optimize and trial.finished:
        with serve(copy, bundle, trial.device, target, optimized.plainly(usual)) as plain:
            yield from optimized.compare(gathered.project, plain, trial)
    if full and full.inputs and trial.finished:
        others = surroundings.of_process(gathered.project, copy, trial)
        noted = server.noted()
        with serve(copy, bundle, trial.device, target, others) as server:
            yield from full.elsewhere(server, noted)
