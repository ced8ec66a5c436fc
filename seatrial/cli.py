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
    from seatrial.trial.smoke import Trial

T = TypeVar("T")

_DESCRIPTION = """\
The sea trial of a PyTorch + torchvision predictor before it becomes a model version on Google Cloud.

The stages, in the order in which they run:
  lock      requirements.in -> requirements.txt, by pip-compile, with hashes
  check     what can be known before anything is installed, in under a second
  build     the bundle: wheels, artifacts, locks, one content digest
  smoke     all of the above, then the real server on your golden images

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


def _smoke(arguments: argparse.Namespace) -> int:
    from seatrial.report import json as json_report
    from seatrial.trial import smoke

    with _run("smoke", arguments) as run, _alone(run):
        began = time.monotonic()
        file = run.project.build_dir / "smoke/report.json"
        file.unlink(missing_ok=True)  # whatever happens now, the report of another run must not stand for this one
        trial = run.of(smoke.smoke(run.project, arguments.device, skip_check=arguments.skip_check))
        if not trial.finished and not failed(run.findings):
            raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
        more = _particulars(trial, smoke.DEPTH)
        json_report.write(file, json_report.document("smoke", run.findings, run.seconds, **more))
        return run.finish(arguments, _proof(trial, smoke.DEPTH, time.monotonic() - began), **more)


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
