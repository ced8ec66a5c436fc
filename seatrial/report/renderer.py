"""What every format has in common: a `Renderer` shows a command's progress as it comes, and its `Report` at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from seatrial.findings import Finding

Verdict = Literal["passed", "failed", "error", "recognised", "unrecognised"]


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a viewer shows of a rule; `level` is error, warning or note, `page` is Markdown."""

    code: str
    title: str
    level: str
    explanation: str
    page: str


@dataclass(frozen=True, slots=True)
class Report:
    """How a command ended.

    Attributes:
        command: such as `smoke --image`.
        verdict: `error` if something ended the command early.
        findings: in the order in which they were found.
        seconds: how long each stage took.
        summary: the verdict in one line.
        message: what ended the command early; `fix` is what to do about it.
        rules: returns the texts of the rules, for the formats that need them.
        more: what the command adds for machines.
    """

    command: str
    verdict: Verdict
    findings: Sequence[Finding]
    seconds: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""
    message: str = ""
    fix: str = ""
    rules: Callable[[], Sequence[RuleText]] = tuple
    more: Mapping[str, Any] = field(default_factory=dict)


class Renderer(Protocol):
    """Shows one run of a command.

    Attributes:
        about: the format in a few words, for `--help`.
        needs_rules: whether it needs `Report.rules`, so that only a command that has them offers it.
        quiet: whether only findings and the verdict are shown.
        verbose: whether lines of other programs are shown beneath the stages.
    """

    about: ClassVar[str]
    needs_rules: ClassVar[bool]
    quiet: bool
    verbose: bool

    def __init__(self, root: Path) -> None:
        """`root` is the project's folder."""

    def phase(self, name: str) -> None:
        """Show that a stage begins; the one before it, if any, has ended."""

    def end_phase(self) -> None:
        """Show that the running stage has ended."""

    def step(self, text: str) -> None:
        """Show what the running stage does now."""

    def lasting_step(self, text: str) -> None:
        """Show what the running stage has reached, on a separate line."""

    def overheard(self, line: str) -> None:
        """Show a line that a program of the running stage has printed; called from other threads, too."""

    def measured(self, text: str) -> None:
        """Show a measurement of the stage that has ended."""

    def told(self, label: str, text: str) -> None:
        """Show what the command did or did not do."""

    def error(self, message: str, fix: str = "") -> None:
        """Show what went wrong, if it is not in the report."""

    def result(self, text: str) -> None:
        """Print text that the user asked for, such as a diff."""

    def set_outputs(self, **values: Any) -> None:
        """Pass values to later steps of a workflow."""

    def show(self, report: Report) -> None:
        """Show how the command ended."""
