"""Findings and progress for a person at a terminal, in the form that rustc and ruff made familiar.

On a terminal rich prints, and the running stage is one live line. Elsewhere (a CI log, a hook) the same text is plain,
each stage is a line when it ends, with a heartbeat if it takes long, and rich is not even loaded.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from seatrial.findings import Finding, Location, Severity, that_follow
from seatrial.report import excerpt
from seatrial.report.renderer import Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.status import Status

    from seatrial.report.terminal import Terminal

HEARTBEAT = 20.0  # seconds between two signs of life in a log that is not a terminal
Part = tuple[str, str]  # text and rich's style, such as "bold red"; "" for none
_VERDICTS: dict[Verdict, Part] = {
    "passed": ("PASSED", "bold green"),
    "failed": ("FAILED", "bold red"),
    "recognised": ("RECOGNISED", "bold green"),
    "unrecognised": ("NOT RECOGNISED", "bold red"),
}
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_CONTROLS = dict.fromkeys((7, 8, 11, 12, 13))  # rich removes these too: they would ring and overwrite


class Console:
    """Prints to standard error.

    Attributes:
        quiet: whether only findings and the verdict are shown.
        verbose: whether a stage is also a line when it begins, so that what its programs print stands beneath it.
    """

    about: ClassVar[str] = "text for people, on standard error"
    needs_rules: ClassVar[bool] = False

    def __init__(self, root: Path, heartbeat: float = HEARTBEAT) -> None:
        """`root` is the folder of the files that findings point into; `heartbeat` is in seconds."""
        self.quiet = self.verbose = False
        self._root = root
        self._every = heartbeat
        self._terminal = _terminal()
        self._status: Status | None = None
        self._phase = ""
        self._began = 0.0
        self._doing = ""
        self._quiet = threading.Event()

    def phase(self, name: str) -> None:
        """Begin a stage; the one before it, if any, has ended."""
        self.end_phase()
        if self.quiet:
            return
        self._phase, self._began, self._doing = name, time.monotonic(), ""
        if self.verbose:
            self._print((f"  {name}", "bold"))
        if self._terminal and self._terminal.is_terminal:
            self._status = self._terminal.live(self._line())
        else:
            self._quiet = threading.Event()
            threading.Thread(target=self._heartbeat, args=(self._quiet,), daemon=True).start()

    def step(self, text: str) -> None:
        """Show what the running stage does now."""
        self._doing = text
        if self._status and self._terminal:
            self._status.update(self._terminal.text(self._line()))

    def lasting_step(self, text: str) -> None:
        """Print what the running stage has reached, on a separate line."""
        if self.quiet:
            return
        self.step("")
        seconds = time.monotonic() - self._began
        self._print(f"  {'':<12}{seconds:6.1f} s  ", (text, "dim"))

    def end_phase(self) -> None:
        """End the running stage, and print a line with its time."""
        self._quiet.set()
        if self._status:
            self._status.stop()
            self._status = None
        if self._phase:
            seconds = time.monotonic() - self._began
            self._print((f"  {self._phase:<12}", "bold"), f"{seconds:6.1f} s  ", (self._doing, "dim"))
        self._phase = ""

    def _line(self) -> list[Part]:
        return [(f"{self._phase:<12}", "bold"), (f" {self._doing}", "")]

    def _heartbeat(self, quiet: threading.Event) -> None:
        """Print signs of life: four times as often while the stage says something new, and less often in a long one."""
        seen, printed = None, self._began  # what a stage says first is no news: a short one has one line, its last
        while not quiet.wait(self._every / 4):
            now = time.monotonic()
            soon = min(self._every, max(self._every / 4, (now - self._began) / 20))
            if now - printed >= (soon if seen not in (None, self._doing) else self._every):
                self._print(f"  {self._phase:<12}{now - self._began:6.1f} s  still {self._doing or 'at work'}")
                printed = now
            seen = self._doing

    def finding(self, finding: Finding) -> None:
        """Print a finding with the excerpt that it points at, and an empty line."""
        self._print(*self.rendered(finding))

    def rendered(self, finding: Finding) -> list[Part]:
        """Return a finding as styled text that ends with a newline."""
        style = _STYLES[finding.severity]
        parts: list[Part] = [(f"{finding.severity.value}[{finding.code}]", style), (f": {finding.message}\n", "bold")]
        gutter = " " * len(str(finding.location.line)) if finding.location and finding.location.line else " "
        if finding.location:
            parts += [(f"{gutter}--> ", "blue"), (f"{finding.location}\n", "")]
            parts += self._excerpt(finding.location, gutter, style)
        for evidence in finding.evidence:
            parts += [(f"{gutter} | ", "blue"), (f"{evidence}\n", "dim")]
        for label, value in (
            ("cause", finding.cause),
            ("cloud says", finding.cloud),
            ("fix", finding.fix),
            ("because", finding.because),
        ):
            if value:
                first, *more = value.splitlines()
                parts += [(f"{gutter} = ", "blue"), (f"{label}: ", "bold"), (f"{first}\n", "")]
                parts += [(f"{gutter}   {' ' * len(label)}  {line}\n", "") for line in more]
        if finding.followers:
            following = that_follow([follower.code for follower in finding.followers])
            parts += [(f"{gutter} = ", "blue"), (f"and {following}\n", "")]
        return parts

    def _excerpt(self, location: Location, gutter: str, style: str) -> list[Part]:
        line = excerpt.line_of(self._root, location)
        if line is None:
            return []
        parts = [(f"{gutter} |\n{location.line} | ", "blue"), (f"{line}\n", "")]
        if location.column:
            width = max(1, (location.end_column or location.column + 1) - location.column)
            width = min(width, max(1, len(line) - location.column + 1))
            indent = " " * _cells(line[: location.column - 1])
            parts += [(f"{gutter} | ", "blue"), (f"{indent}{'^' * width}\n", style)]
        return parts

    def overheard(self, line: str) -> None:
        """Print a line of another program."""
        self._print((f"    | {line}", "dim"))

    def measured(self, text: str) -> None:
        """Print a measurement under the stage that has ended."""
        if not self.quiet:
            self._print((f"{'':14}{text}", "dim"))

    def told(self, label: str, text: str) -> None:
        """Print what the command did or did not do."""
        self._print((f"{label}: ", "bold"), text)

    def error(self, message: str, fix: str = "") -> None:
        """Print what went wrong, and what to do about it."""
        self.end_phase()
        self._print(("error: ", "bold red"), message)
        if fix:
            self._print(("  fix: ", "bold"), fix)

    def result(self, text: str) -> None:
        """Print text that the user asked for to standard output, or if it is closed to standard error."""
        stream = sys.stderr if sys.stdout is None else sys.stdout
        if stream is not None:
            stream.write(text)

    def set_outputs(self, **values: Any) -> None:
        """Do nothing: there are no later steps."""

    def show(self, report: Report) -> None:
        """Print the findings, then one line that says how the command ended."""
        self.end_phase()
        for table in report.more.get("tables", ()):
            self._print(*_table(table))
        for finding in report.findings:
            self.finding(finding)
        if report.verdict == "error":
            self.error(report.message, report.fix)
        else:
            self._print(_VERDICTS[report.verdict], f"  {report.summary}")

    def _print(self, *parts: Part | str) -> None:
        """Print one text and a newline."""
        pairs = [(part, "") if isinstance(part, str) else part for part in parts]
        if self._terminal:
            self._terminal.show(pairs)
        elif sys.stderr is not None:
            text = "".join(text for text, _ in pairs).translate(_CONTROLS)
            sys.stderr.write(f"{_harmless(text) if os.environ.get('GITHUB_ACTIONS') else text}\n")
            sys.stderr.flush()


def _terminal() -> Terminal | None:
    """Return what prints styles, if the output is a terminal or a variable says that it is like one."""
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE") == "1"
    if not forced and (sys.stderr is None or not sys.stderr.isatty()):
        return None
    from seatrial.report.terminal import Terminal

    return Terminal()


def _table(table: Mapping[str, Any]) -> list[Part]:
    """Return a table in columns, under its title."""
    lines = [table["head"], *table["rows"]]
    widths = [max(_cells(str(cell)) for cell in column) for column in zip(*lines, strict=True)]
    parts: list[Part] = [(f"{table['title']}\n", "bold")]
    for number, line in enumerate(lines):
        cells = (f"{cell}{' ' * (width - _cells(str(cell)))}" for cell, width in zip(line, widths, strict=True))
        parts.append((f"  {'  '.join(cells).rstrip()}\n", "" if number else "dim"))
    return parts


def _harmless(text: str) -> str:
    """Return a text in which GitHub's runner reads no command: `::` at the start of a line, or `##[` anywhere."""
    return re.sub(r"(?m)^(\s*)::", r"\1| ::", text).replace("##[", "## [")


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes; some characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
