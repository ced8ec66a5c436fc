"""One run of a command: its project, its events as they come, and the exit code that its end means.

Stages yield events and do not know how they are shown; commands do not know how a run begins and ends. This module
lies between them.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.errors import ExitCode, SeatrialError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, failed
from seatrial.system import overheard
from seatrial.system.signals import raise_if_swallowed

if TYPE_CHECKING:
    from seatrial.facts.gather import Gathered
    from seatrial.project import Project
    from seatrial.report.renderer import Renderer, Report, RuleText, Verdict

T = TypeVar("T")
PAGE = "report.html"  # in the folder of a command's report


class Course:
    """The course of a command: shows events as they come, and remembers what the report needs.

    `subject` is what the verdict is about, and `root` the folder of the files that findings point into.
    """

    def __init__(self, command: str, subject: str, renderer: Renderer, root: Path) -> None:
        self.command = command
        self.subject = subject
        self.renderer = renderer
        self.root = root
        self.findings: list[Finding] = []
        self.seconds: dict[str, float] = {}
        self._phase = ("", 0.0)

    def of(self, stage: Stage[T], phase: str = "") -> T:
        """Run a stage to its end and return what it returns. If interrupted, close it, so that it cleans up."""
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
                    (self.renderer.lasting_step if event.lasting else self.renderer.step)(event.text)

    def begin(self, name: str) -> None:
        """Begin a phase, which ends the one before it; "" only ends that one."""
        ended, began = self._phase
        if ended:
            self.seconds[ended] = time.monotonic() - began
        self._phase = (name, time.monotonic())
        if name:
            self.renderer.phase(name)
        else:
            self.renderer.end_phase()

    def finish(
        self,
        proof: str,
        *,
        tail: Sequence[str] = (),
        rules: Callable[[], Sequence[RuleText]] = tuple,
        page: Path | None = None,
        **more: Any,
    ) -> int:
        """Show findings and verdict, and return the exit code.

        `proof` is the verdict if there are no errors, and `tail` continues it; `rules` and `more` are for machines.
        `page` is the HTML file to write.
        """
        from seatrial.report.renderer import Report

        broken = failed(self.findings)
        summary = " · ".join([self._summary(proof), *tail])
        verdict: Verdict = "failed" if broken else "passed"
        report = Report(self.command, verdict, self.findings, self.seconds, summary, rules=rules, more=more)
        if page is not None:
            self._write(page, report)
        self.renderer.show(report)
        return int(ExitCode.FINDINGS if broken else ExitCode.PASSED)

    def _write(self, page: Path, report: Report) -> None:
        from seatrial.report import html
        from seatrial.system import files

        page.parent.mkdir(parents=True, exist_ok=True)
        files.write(page, html.page(html.data(report), self.root))

    @property
    def errors(self) -> frozenset[str]:
        """The codes of all findings of level error."""
        return frozenset(f.code for f in self.findings if f.severity is Severity.ERROR)

    def _summary(self, proof: str) -> str:
        errors = [f for f in self.findings if f.severity is Severity.ERROR]
        if not errors:
            return f"{self.subject}: {proof}"
        codes = ", ".join(dict.fromkeys(f.code for f in errors))
        many = f"{len(errors)} errors" if len(errors) > 1 else "1 error"
        return f"{self.subject}: {many} ({codes}); `seatrial explain {errors[0].code}` says more"


class Run(Course):
    """The course of a command in a project."""

    def __init__(self, command: str, project: Project, renderer: Renderer) -> None:
        super().__init__(command, project.name, renderer, project.root)
        self.project = project

    def read_again(self, project: Project) -> None:
        """Go on with the project as it is now; its facts are gathered anew."""
        self.project = project
        self.__dict__.pop("gathered", None)

    @cached_property
    def gathered(self) -> Gathered:
        """The facts of the project, for all stages of this run."""
        from seatrial.facts.gather import Gathered

        return Gathered(self.project)


@contextlib.contextmanager
def running(
    command: str,
    arguments: argparse.Namespace,
    vertex: Mapping[str, str] | None = None,
    unwritten: Callable[[Path], dict[str, Any]] = lambda _: {},
) -> Iterator[Run]:
    """Load the project, the nearest one if none is given, and yield its run; show what ends it early.

    `vertex` has keys of [tool.seatrial.vertex] from the command line. `unwritten` returns what the table would be in a
    folder that has no [tool.seatrial]; without it, such a folder is no project.

    Raises:
        Ended: the command ended early, and the reason was shown.
    """
    from seatrial import project
    from seatrial.report.formats import FORMATS

    arguments.project = arguments.project or project.around(Path())
    renderer = FORMATS[arguments.format](arguments.project)
    findings: list[Finding] = []
    with _as_asked(renderer, arguments), _heeding(command, renderer, findings, device=getattr(arguments, "device", "")):
        run = Run(command, project.load(arguments.project, vertex, unwritten), renderer)
        run.findings = findings
        own = not run.project.build_dir.exists()  # else it may be a folder of the user's, with files for git
        try:
            yield run
        finally:
            if own:
                _keep_out_of_git(run.project.build_dir)


def _keep_out_of_git(folder: Path) -> None:
    """Let git ignore what stages made, whatever the project's own .gitignore says."""
    file = folder / ".gitignore"
    with contextlib.suppress(OSError):
        if folder.is_dir() and not file.exists():
            file.write_text("*\n", encoding="utf-8")


@contextlib.contextmanager
def apart(command: str, subject: str, arguments: argparse.Namespace) -> Iterator[Course]:
    """Yield the course of a command that needs no project; show what ends it early.

    Raises:
        Ended: the command ended early, and the reason was shown.
    """
    from seatrial.report.formats import FORMATS

    renderer = FORMATS[arguments.format](Path())
    course = Course(command, subject, renderer, Path())
    with _as_asked(renderer, arguments), _heeding(command, course.renderer, course.findings):
        yield course


@contextlib.contextmanager
def _as_asked(renderer: Renderer, arguments: argparse.Namespace) -> Iterator[None]:
    """Show as much as --quiet and --verbose ask for."""
    renderer.quiet, renderer.verbose = arguments.quiet, arguments.verbose
    with overheard.by(renderer.overheard) if arguments.verbose else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _heeding(command: str, renderer: Renderer, findings: Sequence[Finding], **more: str) -> Iterator[None]:
    """Show what ends a command early; `findings` are those of that time."""
    from seatrial.report.renderer import Report

    def end(code: ExitCode, message: str, fix: str = "") -> Ended:
        renderer.show(Report(command, "error", findings, message=message, fix=fix, more=more))
        return Ended(code)

    try:
        yield
    except SeatrialError as error:
        raise end(error.exit_code, error.message, error.fix) from None
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a folder that cannot be written
        place = f"{error.filename}: " if error.filename else ""
        raise end(ExitCode.ENVIRONMENT, f"{place}{error.strerror or error}") from None
    finally:
        renderer.end_phase()


@contextlib.contextmanager
def alone(run: Run) -> Iterator[None]:
    """Allow one run at a time in the project's build folder: runs share its bundle and report."""
    from seatrial.system.file_lock import acquire

    lock = run.of(acquire(run.project.build_dir / "lock", "another run in this project"))
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def with_artifacts(run: Run) -> Iterator[None]:
    """Fetch artifacts that lie in Cloud Storage, and keep them in the cache until the block ends."""
    if not run.project.is_remote:
        yield
        return
    from seatrial.artifacts import fetching, kept
    from seatrial.system import cache

    run.of(fetching.fetch(run.project), "artifacts")
    with kept.in_use(cache.artifacts_dir()):
        yield


class Ended(Exception):  # noqa: N818 - not an error by itself
    """A command ended early, and the reason was shown."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
