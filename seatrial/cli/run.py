"""One run of a command: its project, its events as they come, and the exit code that its end means.

Stages yield events and know nothing of how they are shown; the commands in `commands` know nothing of how a run begins
and ends. This is what lies between.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.errors import ExitCode, SeatrialError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, failed
from seatrial.system.signals import raise_if_swallowed

if TYPE_CHECKING:
    from seatrial.project import Project
    from seatrial.report.console import Console

T = TypeVar("T")


class Run:
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
            self.begin(phase)
        with contextlib.closing(stage):
            while True:
                try:
                    event = next(stage)
                except StopIteration as end:
                    self.begin("")
                    raise_if_swallowed()
                    return end.value  # type: ignore[no-any-return]
                raise_if_swallowed()
                if isinstance(event, Finding):
                    self.findings.append(event)
                elif isinstance(event, Phase):
                    self.begin(event.name)
                elif isinstance(event, Step):
                    (self.console.lasting_step if event.lasting else self.console.step)(event.text)

    def begin(self, name: str) -> None:
        """Mark where a phase begins, and with "" only that the last one has ended."""
        ended, began = self._phase
        if ended:
            self.seconds[ended] = time.monotonic() - began
        self._phase = (name, time.monotonic())
        if name:
            self.console.phase(name)
        else:
            self.console.end_phase()

    def finish(self, arguments: argparse.Namespace, proof: str, *, tail: Sequence[str] = (), **more: Any) -> int:
        """Print findings and verdict in the format that was asked for; give the exit code.

        `tail` goes on with the verdict; `more` is for machines.
        """
        from seatrial.report import github
        from seatrial.report import json as json_report

        summary = " · ".join([self._summary(proof), *tail])
        report = json_report.document(self.command, self.findings, self.seconds, **more)
        if arguments.format == "json":
            print_json(report)
        if arguments.format == "github":
            github.record(self.project.root, {**report, "summary": summary})
        for finding in self.findings:
            self.console.finding(finding)
        self.console.verdict(not failed(self.findings), summary)
        return int(ExitCode.FINDINGS if failed(self.findings) else ExitCode.PASSED)

    @property
    def errors(self) -> frozenset[str]:
        """The codes of all findings of level error."""
        return frozenset(f.code for f in self.findings if f.severity is Severity.ERROR)

    def _summary(self, proof: str) -> str:
        errors = [f for f in self.findings if f.severity is Severity.ERROR]
        if not errors:
            return f"{self.project.name}: {proof}"
        codes = ", ".join(dict.fromkeys(f.code for f in errors))
        many = f"{len(errors)} errors" if len(errors) > 1 else "1 error"
        return f"{self.project.name}: {many} ({codes}); `seatrial explain {errors[0].code}` says more"


def print_json(report: dict[str, Any]) -> None:
    """Print a document for machines to standard output.

    Raises:
        UsageError: there is none.
    """
    from seatrial.report import json as json_report

    if sys.stdout is None:
        raise UsageError("this --format needs a standard output, and it is closed")
    sys.stdout.write(json_report.dumps(report) + "\n")


@contextlib.contextmanager
def running(command: str, arguments: argparse.Namespace, vertex: Mapping[str, str] | None = None) -> Iterator[Run]:
    """Load the project, with keys of [tool.seatrial.vertex] from the command line; show whatever ends it early."""
    from seatrial.report.console import Console

    console = Console(arguments.project)

    findings: list[Finding] = []

    def end(code: ExitCode, message: str, fix: str = "") -> Ended:
        console.end_phase()
        for finding in findings:  # what was found before says more than what ended the command
            console.finding(finding)
        console.error(message, fix)
        told = [finding.as_dict() for finding in findings]
        more = {"verdict": "error", "message": message, "fix": fix, "findings": told}
        report = {"format": 1, "command": command, "device": getattr(arguments, "device", ""), **more}
        from seatrial.report import github, sarif

        if arguments.format == "json":
            print_json(report)
        if arguments.format == "sarif":
            print_json(sarif.ended(message, fix))
        if arguments.format == "github":
            with contextlib.suppress(OSError):  # what ended it may be a full disk
                github.record(arguments.project, report)
        return Ended(code)

    try:
        from seatrial import project

        run = Run(command, project.load(arguments.project, vertex), console)
        findings = run.findings
        yield run
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
def alone(run: Run) -> Iterator[None]:
    """Let one run at a time work in the project's build folder, whose bundle and report they share."""
    from seatrial.system.file_lock import acquire

    lock = run.of(acquire(run.project.build_dir / "lock", "another run in this project"))
    try:
        yield
    finally:
        lock.release()


class Ended(Exception):  # noqa: N818 - no error by itself
    """A command ended early, its reason already shown."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
