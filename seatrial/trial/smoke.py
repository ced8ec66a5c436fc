"""`seatrial smoke`: check → build → environment → load → golden answers → stop, on one device.

Each stage works in its own module; this one only joins them, and `observe` judges what the server does. Errors of a
stage end the trial, except that an inconsistent environment is still started: what really happens in it is better
evidence.
"""

from __future__ import annotations

import shutil

from seatrial import golden
from seatrial.bundle import Bundle, build
from seatrial.check.run import check
from seatrial.environment import install, interpreter, store
from seatrial.environment.store import Copy, Kept
from seatrial.errors import EnvironmentFaultError
from seatrial.facts.gather import Gathered
from seatrial.facts.packages import requirements
from seatrial.findings import Phase, Stage, watched
from seatrial.golden import GoldenExample
from seatrial.project import Project
from seatrial.rules.lock.runtime import outside_runtime
from seatrial.system import process
from seatrial.trial.full import Full, surroundings
from seatrial.trial.observe import CUDA_PROBE, Trial, judge_cuda_probe, observe, versions_in
from seatrial.trial.server import run_script, serve


def smoke(gathered: Gathered, device: str, *, skip_check: bool = False, full: bool = False) -> Stage[Trial]:
    """Run the whole trial of a project on `cpu` or `cuda`, `full` or at the default depth.

    Raises:
        UsageError: the project cannot be read or built.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    project = gathered.project
    trial = Trial(device, tolerance=project.smoke.tolerance_for(device))
    if device == "cuda":
        _require_card()
    if not skip_check:
        yield Phase("check")
        _, broken = yield from watched(check(gathered))
        if broken:
            return trial
    yield Phase("build")
    examples = golden.read(project.artifacts_dir)
    bundle = yield from build(project, device)
    if bundle is None:
        return trial
    trial.bundle_digest = bundle.digest
    yield Phase("environment")
    kept, broken = yield from watched(_keep(project, device, trial))
    if kept is None or broken:
        return trial
    yield from store.announce_full_copy(kept)
    with store.copy(kept) as copy:
        install.install_wheels(copy, [bundle.predictor_wheel, bundle.runtime_wheel])
        yield from install.inconsistencies(copy, requirements.read(project.lock_for(device), project.root))
        depth = Full(gathered, examples, trial) if full else None
        _, broken = yield from watched(_on_device(gathered, bundle, copy, examples, trial, depth))
        if broken and device == "cuda":
            return trial
        yield from store.settle(copy)
    return trial


def _require_card() -> None:
    """Fail at once if no NVIDIA driver answers.

    Raises:
        EnvironmentFaultError: there is no card.
    """
    command = shutil.which("nvidia-smi") or ""
    code, printed = (
        process.output([command, "-L"], env=process.install_environment(), timeout=20) if command else (1, "")
    )
    if code != 0 or "GPU " not in printed:
        raise EnvironmentFaultError(
            "--device cuda needs an NVIDIA GPU, and the driver of this machine shows none",
            fix="run it on a GPU runner, or use --device cpu",
        )


def _keep(project: Project, device: str, trial: Trial) -> Stage[Kept | None]:
    lock_file = project.lock_for(device)
    lock = requirements.read(lock_file, project.root)
    yield from outside_runtime(lock, requirements.read_runtime("requirements.in"), project.python)
    found = yield from interpreter.find(project.python)
    trial.versions = {"python": found.version, **versions_in(lock, project.python)}
    runtime_lock = requirements.read_runtime("requirements.txt")
    merged = install.merge(lock, lock_file.read_text(encoding="utf-8"), runtime_lock)
    return (yield from install.keep(merged, found))


def _on_device(
    gathered: Gathered,
    bundle: Bundle,
    copy: Copy,
    examples: tuple[GoldenExample, ...],
    trial: Trial,
    full: Full | None,
) -> Stage[None]:
    has = gathered.project.smoke.image_has
    if has:
        trial.unproven.append(f"that the image has {', '.join(has)}, as smoke.image-has says")
    if trial.device == "cuda":
        yield Phase("device")
        probed = run_script(copy, CUDA_PROBE, "cuda", has)
        _, broken = yield from watched(judge_cuda_probe(*probed, trial))
        if broken:
            return
    yield Phase("load")
    with serve(copy, bundle, trial.device, has) as server:
        yield from observe(gathered, server, examples, trial, full.prove if full else None)
    if full and full.inputs and trial.finished:
        others = surroundings.of_process(gathered.project, copy, trial)
        with serve(copy, bundle, trial.device, has, others) as server:
            yield from full.elsewhere(server)
