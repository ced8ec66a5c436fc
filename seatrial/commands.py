"""What each command of the command line does: join stages with reports, and turn their end into an exit code.

Stages and their dependencies are imported where they are used, so that `--help` answers at once and nothing loads
torch or google.cloud before it is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.errors import EnvironmentFaultError, ExitCode, SeatrialError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, failed
from seatrial.interruption import raise_if_swallowed

if TYPE_CHECKING:
    from seatrial.project import Project
    from seatrial.report.console import Console
    from seatrial.trial.behaviour import Trial

T = TypeVar("T")


class _Run:
    """One run of a command: shows events as they come and remembers what the report needs."""

    def __init__(self, command: str, project: Project, console: Console) -> None:
        self.command = command
        self.project = project
        self.console = console
        self.findings: list[Finding] = []
        self.seconds: dict[str, float] = {}
        self._phase = ("", 0.0)

    def of(self, stage: Stage[T], phase: str = "") -> T:
        """Run a stage to its end. Whatever interrupts it closes it, so that it cleans up."""
        if phase:
            self._begin(phase)
        with contextlib.closing(stage):
            while True:
                try:
                    event = next(stage)
                except StopIteration as end:
                    self._begin("")
                    raise_if_swallowed()
                    return end.value  # type: ignore[no-any-return]
                raise_if_swallowed()
                if isinstance(event, Finding):
                    self.findings.append(event)
                elif isinstance(event, Phase):
                    self._begin(event.name)
                elif isinstance(event, Step):
                    self.console.step(event.text)

    def _begin(self, name: str) -> None:
        ended, began = self._phase
        if ended:
            self.seconds[ended] = time.monotonic() - began
        self._phase = (name, time.monotonic())
        if name:
            self.console.phase(name)
        else:
            self.console.end_phase()

    def finish(self, arguments: argparse.Namespace, proof: str, **more: Any) -> int:
        """Print findings and verdict in the format that was asked for; give the exit code."""
        from seatrial.report import json as json_report

        if arguments.format == "json":
            _print_json(json_report.document(self.command, self.findings, self.seconds, **more))
        for finding in self.findings:
            self.console.finding(finding)
        self.console.verdict(not failed(self.findings), self._summary(proof))
        return int(ExitCode.FINDINGS if failed(self.findings) else ExitCode.PASSED)

    def _summary(self, proof: str) -> str:
        errors = [f for f in self.findings if f.severity is Severity.ERROR]
        if not errors:
            return f"{self.project.name}: {proof}"
        codes = ", ".join(dict.fromkeys(f.code for f in errors))
        many = f"{len(errors)} errors" if len(errors) > 1 else "1 error"
        return f"{self.project.name}: {many} ({codes}); `seatrial explain {errors[0].code}` says more"


def _print_json(report: dict[str, Any]) -> None:
    from seatrial.report import json as json_report

    if sys.stdout is None:
        raise UsageError("--format json needs a standard output, and it is closed")
    sys.stdout.write(json_report.dumps(report) + "\n")


@contextlib.contextmanager
def _run(command: str, arguments: argparse.Namespace) -> Iterator[_Run]:
    """Load the project and show whatever ends the command early."""
    from seatrial.report.console import Console

    console = Console(arguments.project)

    def end(code: ExitCode, message: str, fix: str = "") -> Ended:
        console.error(message, fix)
        if arguments.format == "json":
            _print_json({"format": 1, "command": command, "verdict": "error", "message": message, "fix": fix})
        return Ended(code)

    try:
        from seatrial import project

        yield _Run(command, project.load(arguments.project), console)
    except SeatrialError as error:
        raise end(error.exit_code, error.message, error.fix) from None
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a folder that may not be written
        place = f"{error.filename}: " if error.filename else ""
        raise end(ExitCode.ENVIRONMENT, f"{place}{error.strerror or error}") from None
    finally:
        console.end_phase()


@contextlib.contextmanager
def _alone(run: _Run) -> Iterator[None]:
    """Let one run at a time work in the project's build folder, whose bundle and report they share."""
    from filelock import FileLock, Timeout

    run.project.build_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.project.build_dir / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        run.console.phase("waiting")
        run.console.step("for another run in this project")
        lock.acquire()
        run.console.end_phase()
    try:
        yield
    finally:
        lock.release()


class Ended(Exception):  # noqa: N818 - no error by itself
    """A command ended early, its reason already shown."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def lock(arguments: argparse.Namespace) -> int:
    """Write the locks, or with --check judge them."""
    from seatrial import lock as locking

    with _run("lock", arguments) as run:
        if arguments.check:
            if arguments.upgrade or arguments.cpu:
                raise UsageError("--check writes nothing, so --upgrade and --cpu have no meaning with it")
            run.of(locking.check_lock(run.project))
            return run.finish(arguments, "the lock answers requirements.in")
        if not arguments.cpu or arguments.upgrade:
            run.of(locking.compile_lock(run.project, upgrade=arguments.upgrade), "lock")
        if not failed(run.findings) and (arguments.cpu or run.project.cpu_lock_file.is_file()):
            run.of(locking.compile_cpu_lock(run.project), "lock --cpu")
        return run.finish(arguments, "locked")


def check(arguments: argparse.Namespace) -> int:
    """Judge what can be known before anything is installed."""
    from seatrial import check as checking

    with _run("check", arguments) as run:
        run.of(checking.check(run.project))
        return run.finish(arguments, "nothing found that would fail")


def build(arguments: argparse.Namespace) -> int:
    """Build the bundle."""
    from seatrial import bundle as bundling

    with _run("build", arguments) as run, _alone(run):
        bundle = run.of(bundling.build(run.project, arguments.device), "build")
        digest = bundle.digest if bundle else ""
        return run.finish(arguments, f"build/bundle, digest {digest}", bundle_digest=digest)


def image_build(arguments: argparse.Namespace) -> int:
    """Build the container image."""
    from seatrial import engine
    from seatrial.image import build_image

    with _run("image build", arguments) as run, _alone(run):
        found = engine.find(arguments.engine or run.project.image.engine)
        stage = build_image(run.project, arguments.device, found, write=arguments.write, fresh=arguments.no_cache)
        image = run.of(stage)
        if image is None:
            return run.finish(arguments, "")
        size = f"{image.rebuilt_bytes / 1e3:,.1f} kB"
        proof = (
            f"{image.reference} by {image.engine}, {image.id[:19]} · version {image.version_digest[:12]} · "
            f"{len(image.rebuilt)} of {len(image.layers)} layers are new, {size} · {image.seconds:.1f} s"
        )
        return run.finish(arguments, proof, image=image.as_dict())


def smoke(arguments: argparse.Namespace) -> int:
    """Prove the predictor in its environment; with --image, in a container."""
    from seatrial.report import json as json_report
    from seatrial.trial import smoke as trials
    from seatrial.trial.behaviour import DEPTH

    if arguments.image is not None:
        return smoke_image(arguments)
    with _run("smoke", arguments) as run, _alone(run):
        began = time.monotonic()
        file = run.project.build_dir / "smoke/report.json"
        file.unlink(missing_ok=True)  # whatever happens now, the report of another run must not stand for this one
        trial = run.of(trials.smoke(run.project, arguments.device, skip_check=arguments.skip_check))
        if not trial.finished and not failed(run.findings):
            raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
        more = _particulars(trial, DEPTH)
        json_report.write(file, json_report.document("smoke", run.findings, run.seconds, **more))
        return run.finish(arguments, _proof(trial, DEPTH, time.monotonic() - began), **more)


def smoke_image(arguments: argparse.Namespace) -> int:
    """Prove a container image."""
    from seatrial import engine
    from seatrial.push import report_file
    from seatrial.report import json as json_report
    from seatrial.trial import image as image_trials
    from seatrial.trial.behaviour import DEPTH

    with _run("smoke --image", arguments) as run, _alone(run):
        if arguments.skip_check:
            raise UsageError("an image is only run, never checked, so --skip-check has no meaning with --image")
        began = time.monotonic()
        file = report_file(run.project)
        file.unlink(missing_ok=True)
        found = engine.find(arguments.engine or run.project.image.engine)
        tried = run.of(image_trials.smoke_image(run.project, arguments.image, found, arguments.device))
        if not tried.trial.finished and not failed(run.findings):
            raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
        more = {**_particulars(tried.trial, DEPTH), **tried.particulars()}
        json_report.write(file, json_report.document("smoke --image", run.findings, run.seconds, **more))
        for line in tried.sizes():
            run.console.measured(line)
        proof = _proof(tried.trial, DEPTH, time.monotonic() - began)
        healthy = f"healthy after {tried.trial.healthy_after:.1f} s"
        return run.finish(arguments, f"{tried.image.id[:19]} · {healthy} · {proof}", **more)


def image_push(arguments: argparse.Namespace) -> int:
    """Push the proven image."""
    from dataclasses import asdict

    from seatrial import engine, push
    from seatrial.report import json as json_report

    with _run("image push", arguments) as run, _alone(run):
        wanted = arguments.repository or run.project.image.repository
        repository = push.repository_of(wanted, arguments.region or run.project.vertex.region)
        proven = push.proven_image(run.project)
        pushed = run.of(push.push(proven, repository, engine.find(arguments.engine or proven.engine)))
        proof = (
            f"{pushed.reference} · {pushed.bytes_pushed / 1e6:,.3f} of {pushed.bytes / 1e6:,.3f} MB sent, in "
            f"{pushed.layers_pushed} of {pushed.layers} layers · {pushed.took:.1f} s"
        )
        document = json_report.document("image push", run.findings, run.seconds, **asdict(pushed))
        json_report.write(run.project.build_dir / "image/pushed.json", document)
        return run.finish(arguments, proof, pushed=asdict(pushed))


def _particulars(trial: Trial, depth: str) -> dict[str, Any]:
    """Give what the report of a trial names beside findings."""
    return {
        "depth": depth,
        "device": trial.device,
        "card": trial.card,
        "bundle_digest": trial.bundle_digest,
        "version_digest": trial.bundle_digest,  # without an image the version is the bundle
        "image_id": None,
        "versions": trial.versions,
        "interface": trial.interface,
        "asked": trial.asked,
        "golden": trial.golden,
        "compared": trial.compared,
        "largest_difference": trial.drift,
        "tolerance": trial.tolerance,
        "unproven": trial.unproven,
    }


def _proof(trial: Trial, depth: str, seconds: float) -> str:
    """Say in one line what a green trial has proven, and what it has not."""
    inputs = f"{trial.golden} golden answers" if trial.golden else f"{trial.asked} sample images"
    asked = f"{inputs}, alone and in batches" if trial.asked else "loaded and stopped"
    if trial.compared:
        asked += f", numbers within {trial.drift:.1g} of training's (allowed {trial.tolerance:.1g})"
    parts = [
        asked,
        f"{depth} depth on {trial.card or trial.device}",
        f"bundle {trial.bundle_digest[:12]}",
        f"{seconds:.1f} s",
        *(f"NOT proven: {text}" for text in trial.unproven),
    ]
    return " · ".join(parts)


def explain(arguments: argparse.Namespace) -> int:
    """Print the page of a rule."""
    from seatrial.rules import RULES
    from seatrial.rules.page import page

    rule = RULES.get(arguments.code.upper())
    if rule is None:
        sys.stderr.write(f"error: there is no rule {arguments.code}; there are {', '.join(RULES)}\n")
        return int(ExitCode.USAGE)
    sys.stdout.write(page(rule))
    return int(ExitCode.PASSED)
