"""`seatrial smoke`: prove the predictor in its environment, or with --image in a container."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seatrial.cli import options
from seatrial.cli.run import PAGE, Run, alone, running, with_artifacts
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import failed

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.project import Project
    from seatrial.trial.observe import Trial


LOG = "server.log"  # what the server printed, beside the report
ADDED = (
    "a worker for each core, odd images, every batch size, 500 requests in a row, the whole serving contract, limits "
    "of endpoint and machine, other surroundings"
)

_DEPTHS = (
    "The default depth proves the lock, the load, the golden answers and the core of the serving contract, in seconds, "
    "with one worker. "
    "The verdict and the report name the depth; the workflows run --full. "
    "build/smoke/report.html shows all of it in a browser; build/smoke/server.log has what the server printed."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _DEPTHS
    options.project(parser)
    options.formats(parser)
    options.device(parser, "where to run it")
    parser.add_argument("--skip-check", action="store_true", help="run the trial without `check` before it")
    parser.add_argument("--full", action="store_true", help=f"the full depth: also {ADDED}; about a minute")
    parser.add_argument("--image", metavar="REF", help="prove this container image instead, in a locked-down container")
    options.engine(parser)


def command(arguments: argparse.Namespace) -> int:
    """Run the trial of the project, or of an image."""
    return _project(arguments) if arguments.image is None else _image(arguments)


def try_out(run: Run, device: str, *, skip_check: bool = False, full: bool = False) -> Trial:
    """Run the whole trial and write its report, in a project that no other run works in.

    Raises:
        EnvironmentFaultError: it could not be finished.
    """
    from seatrial.report import json as json_report
    from seatrial.trial import smoke as trials

    file = run.project.build_dir / "smoke/report.json"
    _remove_older(file)
    trial = run.of(trials.smoke(run.gathered, device, skip_check=skip_check, full=full))
    _keep_log(file, trial)
    _refuse_unfinished(run, trial)
    written = json_report.document("smoke", run.findings, run.seconds, **_particulars(run.project, trial))
    json_report.write(file, written)
    return trial


def _project(arguments: argparse.Namespace) -> int:
    with running("smoke", arguments) as run, alone(run), with_artifacts(run):
        began = time.monotonic()
        trial = try_out(run, arguments.device, skip_check=arguments.skip_check, full=arguments.full)
        proof, page = _proof(trial, time.monotonic() - began), run.project.build_dir / "smoke" / PAGE
        return run.finish(proof, page=page, **_particulars(run.project, trial))


def _image(arguments: argparse.Namespace) -> int:
    from seatrial.containers import engine
    from seatrial.image.push import report_file
    from seatrial.report import json as json_report
    from seatrial.trial import image as image_trials

    with running("smoke --image", arguments) as run, alone(run), with_artifacts(run):
        if arguments.skip_check:
            raise UsageError("an image is only run, never checked, so --skip-check has no meaning with --image")
        began = time.monotonic()
        file = report_file(run.project)
        _remove_older(file)
        found = engine.find(arguments.engine or run.project.image.engine)
        stage = image_trials.smoke_image(run.gathered, arguments.image, found, arguments.device, full=arguments.full)
        tried = run.of(stage)
        _keep_log(file, tried.trial)
        _refuse_unfinished(run, tried.trial)
        more = {**_particulars(run.project, tried.trial), **tried.particulars()}
        json_report.write(file, json_report.document("smoke --image", run.findings, run.seconds, **more))
        for line in tried.sizes():
            run.renderer.measured(line)
        proof = _proof(tried.trial, time.monotonic() - began)
        healthy = f"healthy after {tried.trial.healthy_after:.1f} s"
        return run.finish(f"{tried.image.id[:19]} · {healthy} · {proof}", page=file.with_name(PAGE), **more)


def _remove_older(report: Path) -> None:
    """Remove what an earlier run left, which must not pass for this run's."""
    for name in (report.name, PAGE, LOG):
        report.with_name(name).unlink(missing_ok=True)


def _keep_log(report: Path, trial: Trial) -> None:
    """Keep what the server printed beside the report."""
    from seatrial.system import files

    report.parent.mkdir(parents=True, exist_ok=True)
    files.write(report.with_name(LOG), "".join(f"{line}\n" for line in trial.log).encode(errors="replace"))


def _refuse_unfinished(run: Run, trial: Trial) -> None:
    if not trial.finished and not failed(run.findings):
        raise EnvironmentFaultError("the trial ended early without a reason; please report this")


def _particulars(project: Project, trial: Trial) -> dict[str, Any]:
    """Return what the report of a trial contains besides findings."""
    from seatrial.project.vertex import variables_of

    return {
        "depth": trial.depth,
        "device": trial.device,
        "card": trial.card,
        "bundle_digest": trial.bundle_digest,
        "version_digest": trial.bundle_digest,  # without an image the version is the bundle
        "image_id": None,
        "variables": variables_of(project.vertex),
        "versions": trial.versions,
        "trained_with": _trained_with(project),
        "interface": trial.interface,
        "asked": trial.asked,
        "golden": trial.golden,
        "compared": trial.compared,
        "largest_difference": trial.drift,
        "tolerance": trial.tolerance,
        "answers": [each.as_dict(project.artifacts) for each in trial.answered],
        "measured": asdict(trial.measured),
        "contract": trial.contract,
        "stages": asdict(trial.stages),
        "unproven": trial.unproven,
        "unsealed": trial.unsealed,
        "sealed_as": trial.sealed_as,
    }


def _trained_with(project: Project) -> dict[str, str]:
    """Return the versions that training had, as far as its manifest can be read."""
    from seatrial import golden

    try:
        manifest = golden.read_manifest(project.artifacts_dir)
    except UsageError:  # the check tells it
        return {}
    return dict(manifest.trained_with) if manifest else {}


def _proof(trial: Trial, seconds: float) -> str:
    """Return what a successful trial has proven, and what it has not, in one line."""
    inputs = f"{trial.golden} golden answer" if trial.golden else f"{trial.asked} sample image"
    inputs += "" if (trial.golden or trial.asked) == 1 else "s"
    asked = f"{inputs}, alone and in batches" if trial.asked else "loaded and stopped"
    if trial.compared:
        asked += f", numbers within {trial.drift:.1g} of training's (allowed {trial.tolerance:.1g})"
    parts = [
        asked,
        *([words] if (words := trial.stages.words()) else []),
        *([f"contract: {trial.contract}"] if trial.contract else []),
        *trial.measured.words(),
        f"{trial.depth} depth on {trial.card or trial.device}",
        f"bundle {trial.bundle_digest[:12]}",
        f"{seconds:.1f} s",
        *([f"sealed as {trial.sealed_as}"] if trial.sealed_as and not trial.unsealed else []),
        *(f"NOT sealed: {text}" for text in trial.unsealed),
        *(f"NOT proven: {text}" for text in trial.unproven),
        *([] if trial.depth == "full" else [f"--full adds {ADDED}"]),
    ]
    return " · ".join(parts)
