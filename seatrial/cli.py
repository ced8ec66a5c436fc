"""The command line: reads arguments, joins stages with reports, and turns their end into an exit code.

Stages and their dependencies are imported where they are used, so that `--help` answers at once and nothing loads
torch or google.cloud before it is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial import __version__
from seatrial.errors import EnvironmentFaultError, ExitCode, SeatrialError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, failed

if TYPE_CHECKING:
    from seatrial.project import Project
    from seatrial.report.console import Console
    from seatrial.trial.behaviour import Trial

T = TypeVar("T")

_DESCRIPTION = """\
The sea trial of a PyTorch + torchvision predictor before it becomes a model version on Google Cloud.

The stages, in the order in which they run:
  lock      requirements.in -> requirements.txt, by pip-compile, with hashes
  check     what can be known before anything is installed, in under a second
  build     the bundle: wheels, artifacts, locks, one content digest
  smoke     all of the above, then the real server on your golden images
  image     `image build`: the bundle as a container image, by docker or podman; after `smoke --image REF`,
            the same trial in a locked-down container, `image push` sends it to Artifact Registry, by digest

  explain   what a finding's code means
"""
_EPILOG = """\
exit codes: 0 passed · 1 findings of level error · 2 wrong usage or configuration
            3 the environment's fault (network, disk, no GPU) · 129, 130, 143 interrupted

A project is a folder with a pyproject.toml that has [tool.seatrial]; only `predictor` is needed:
  [tool.seatrial]
  predictor = "your_package:YourPredictor"
"""


class _Interruption(BaseException):
    """One of `_SIGNALS`, raised where the program is, so that every `finally` runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    arguments = _parser().parse_args(argv)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell's background jobs
            signal.signal(number, _interrupt)
    try:
        code = int(arguments.run(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
    except _Ended as ended:
        return int(ended.code)
    except _Interruption as interruption:
        sys.stderr.write("\ninterrupted; everything that was started is stopped\n")
        return 128 + int(interruption.args[0])
    except BrokenPipeError:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # what is still buffered shall not raise at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return int(ExitCode.ENVIRONMENT)
    return code


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # once is enough; a second one must not disturb the cleaning up
    _received.append(number)
    raise _Interruption(number)


def _raise_if_swallowed() -> None:
    """Raise the interruption again: Python drops what is raised inside a finalizer or a weakref callback."""
    if _received:
        raise _Interruption(_received[0])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seatrial",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"seatrial {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    lock = _command(commands, "lock", _lock, "write requirements.txt from requirements.in, with hashes")
    lock.add_argument("--check", action="store_true", help="write nothing; say offline whether the lock still answers")
    lock.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping the pins")
    lock.add_argument("--cpu", action="store_true", help="write requirements-cpu.txt, the +cpu builds of the same pins")

    _command(commands, "check", _check, "find what will fail, before anything is installed")

    build = _command(commands, "build", _build, "build the bundle into build/bundle")
    build.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="chooses the lock (default: cpu)")

    smoke = _command(commands, "smoke", _smoke, "prove the predictor: real server, golden images, one verdict")
    smoke.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run it (default: cpu)")
    smoke.add_argument("--skip-check", action="store_true", help="go on to what really happens, without `check`")
    smoke.add_argument("--image", metavar="REF", help="prove this container image instead: it runs, locked down")
    _engine_option(smoke)

    image = commands.add_parser("image", help="the container image: build", description="the container image")
    images = image.add_subparsers(metavar="COMMAND", required=True)
    image_build = _command(images, "build", _image_build, "build the container image of the bundle")
    image_build.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of the target (default: cpu)")
    _engine_option(image_build)
    image_build.add_argument("--write", action="store_true", help="keep the generated Dockerfiles in build/image")
    image_build.add_argument("--no-cache", action="store_true", help="use nothing that an earlier build left")

    image_push = _command(images, "push", _image_push, "push the image that `smoke --image` proved, by digest")
    image_push.add_argument("--repository", metavar="NAME", help="REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE")
    image_push.add_argument("--region", help="the model's; a repository of another one is refused")
    _engine_option(image_push)

    explain = commands.add_parser("explain", help="say what a finding's code means")
    explain.add_argument("code", metavar="CODE", help="such as ST120")
    explain.set_defaults(run=_explain)
    return parser


def _command(commands: Any, name: str, run: Any, help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_text, description=help_text)
    parser.add_argument("--project", type=Path, default=Path(), metavar="DIR", help="the project (default: here)")
    parser.add_argument("--format", choices=("console", "json"), default="console", help="json goes to standard output")
    parser.set_defaults(run=run)
    return parser


def _engine_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("auto", "docker", "podman"),
        default=os.environ.get("SEATRIAL_ENGINE") or None,
        help="which container engine (default: SEATRIAL_ENGINE, then image.engine, then the first that answers)",
    )


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
                    _raise_if_swallowed()
                    return end.value  # type: ignore[no-any-return]
                _raise_if_swallowed()
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

    def end(code: ExitCode, message: str, fix: str = "") -> _Ended:
        console.error(message, fix)
        if arguments.format == "json":
            _print_json({"format": 1, "command": command, "verdict": "error", "message": message, "fix": fix})
        return _Ended(code)

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


class _Ended(Exception):  # noqa: N818 - no error by itself
    """A command ended early, its reason already shown."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def _lock(arguments: argparse.Namespace) -> int:
    from seatrial import lock

    with _run("lock", arguments) as run:
        if arguments.check:
            if arguments.upgrade or arguments.cpu:
                raise UsageError("--check writes nothing, so --upgrade and --cpu have no meaning with it")
            run.of(lock.check_lock(run.project))
            return run.finish(arguments, "the lock answers requirements.in")
        if not arguments.cpu or arguments.upgrade:
            run.of(lock.compile_lock(run.project, upgrade=arguments.upgrade), "lock")
        if not failed(run.findings) and (arguments.cpu or run.project.cpu_lock_file.is_file()):
            run.of(lock.compile_cpu_lock(run.project), "lock --cpu")
        return run.finish(arguments, "locked")


def _check(arguments: argparse.Namespace) -> int:
    from seatrial.check import check

    with _run("check", arguments) as run:
        run.of(check(run.project))
        return run.finish(arguments, "nothing found that would fail")


def _build(arguments: argparse.Namespace) -> int:
    from seatrial.bundle import build

    with _run("build", arguments) as run, _alone(run):
        bundle = run.of(build(run.project, arguments.device), "build")
        digest = bundle.digest if bundle else ""
        return run.finish(arguments, f"build/bundle, digest {digest}", bundle_digest=digest)


def _image_build(arguments: argparse.Namespace) -> int:
    from seatrial import engine
    from seatrial.image import build_image

    with _run("image build", arguments) as run:
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


def _smoke(arguments: argparse.Namespace) -> int:
    from seatrial.report import json as json_report
    from seatrial.trial import smoke
    from seatrial.trial.behaviour import DEPTH

    if arguments.image is not None:
        return _smoke_image(arguments)
    with _run("smoke", arguments) as run, _alone(run):
        began = time.monotonic()
        file = run.project.build_dir / "smoke/report.json"
        file.unlink(missing_ok=True)  # whatever happens now, the report of another run must not stand for this one
        trial = run.of(smoke.smoke(run.project, arguments.device, skip_check=arguments.skip_check))
        if not trial.finished and not failed(run.findings):
            raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
        more = _particulars(trial, DEPTH)
        json_report.write(file, json_report.document("smoke", run.findings, run.seconds, **more))
        return run.finish(arguments, _proof(trial, DEPTH, time.monotonic() - began), **more)


def _smoke_image(arguments: argparse.Namespace) -> int:
    from seatrial import engine
    from seatrial.push import report_file
    from seatrial.report import json as json_report
    from seatrial.trial.behaviour import DEPTH
    from seatrial.trial.image import smoke_image

    with _run("smoke --image", arguments) as run:
        if arguments.skip_check:
            raise UsageError("an image is only run, never checked, so --skip-check has no meaning with --image")
        began = time.monotonic()
        file = report_file(run.project)
        file.unlink(missing_ok=True)
        found = engine.find(arguments.engine or run.project.image.engine)
        tried = run.of(smoke_image(run.project, arguments.image, found, arguments.device))
        if not tried.trial.finished and not failed(run.findings):
            raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
        more = {**_particulars(tried.trial, DEPTH), **tried.particulars()}
        json_report.write(file, json_report.document("smoke --image", run.findings, run.seconds, **more))
        for line in tried.sizes():
            run.console.measured(line)
        proof = _proof(tried.trial, DEPTH, time.monotonic() - began)
        healthy = f"healthy after {tried.trial.healthy_after:.1f} s"
        return run.finish(arguments, f"{tried.image.id[:19]} · {healthy} · {proof}", **more)


def _image_push(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from seatrial import engine, push
    from seatrial.report import json as json_report

    with _run("image push", arguments) as run:
        repository = push.repository_of(arguments.repository or run.project.image.repository, arguments.region)
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


def _explain(arguments: argparse.Namespace) -> int:
    from seatrial.rules import RULES
    from seatrial.rules.page import page

    rule = RULES.get(arguments.code.upper())
    if rule is None:
        sys.stderr.write(f"error: there is no rule {arguments.code}; there are {', '.join(RULES)}\n")
        return int(ExitCode.USAGE)
    sys.stdout.write(page(rule))
    return int(ExitCode.PASSED)
