"""Findings and progress for a person at a terminal, in the form that rustc and ruff made familiar.

On a terminal the running stage is one live line; elsewhere (a CI log) each stage is a line when it ends, with a
heartbeat for those that take long.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.status import Status
from rich.text import Text

from seatrial.findings import Finding, Location, Severity

HEARTBEAT = 20.0  # seconds between two signs of life in a log that is no terminal
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}


class _Terminal(RichConsole):
    """rich ends the process with exit code 1 when its reader has gone; that code means findings here."""

    def on_broken_pipe(self) -> None:
        raise


class Console:
    """Prints to standard error.

    `root` is where the files lie that findings point into; `heartbeat` is the seconds between two signs of life.
    """

    def __init__(self, root: Path, heartbeat: float = HEARTBEAT) -> None:
        self._root = root
        self._every = heartbeat
        self._rich = _Terminal(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._phase = ""
        self._began = 0.0
        self._doing = ""
        self._quiet = threading.Event()

    def phase(self, name: str) -> None:
        """A stage begins; the one before it, if any, has ended."""
        self.end_phase()
        self._phase, self._began, self._doing = name, time.monotonic(), ""
        if self._rich.is_terminal:
            self._status = self._rich.status(self._line(), spinner="dots")
            self._status.start()
        else:
            self._quiet = threading.Event()
            threading.Thread(target=self._heartbeat, args=(self._quiet,), daemon=True).start()

    def step(self, text: str) -> None:
        """The running stage does something new."""
        self._doing = text
        if self._status:
            self._status.update(self._line())

    def lasting_step(self, text: str) -> None:
        """The running stage has reached something that is worth a line of its own."""
        self.step("")
        seconds = time.monotonic() - self._began
        self._rich.print(Text.assemble(f"  {'':<12}{seconds:6.1f} s  ", (text, "dim")))

    def end_phase(self) -> None:
        """The running stage has ended: leave a line with its time."""
        self._quiet.set()
        if self._status:
            self._status.stop()
            self._status = None
        if self._phase:
            seconds = time.monotonic() - self._began
            self._rich.print(
                Text.assemble((f"  {self._phase:<12}", "bold"), f"{seconds:6.1f} s  ", (self._doing, "dim"))
            )
        self._phase = ""

    def _line(self) -> Text:
        return Text.assemble((f"{self._phase:<12}", "bold"), f" {self._doing}")

    def _heartbeat(self, quiet: threading.Event) -> None:
        while not quiet.wait(self._every):
            seconds = time.monotonic() - self._began
            self._rich.print(Text(f"  {self._phase:<12}{seconds:6.1f} s  still {self._doing or 'at work'}"))

    def finding(self, finding: Finding) -> None:
        """Print a finding with the excerpt that it points at."""
        self._rich.print(self.rendered(finding))

    def rendered(self, finding: Finding) -> Text:
        """Give a finding as styled text, ending in an empty line."""
        style = _STYLES[finding.severity]
        text = Text.assemble((f"{finding.severity.value}[{finding.code}]", style), (f": {finding.message}\n", "bold"))
        gutter = " " * len(str(finding.location.line)) if finding.location and finding.location.line else " "
        if finding.location:
            text.append(f"{gutter}--> ", "blue").append(f"{finding.location}\n")
            self._excerpt(text, finding.location, gutter, style)
        for evidence in finding.evidence:
            text.append(f"{gutter} | ", "blue").append(f"{evidence}\n", "dim")
        for label, value in (("cause", finding.cause), ("cloud says", finding.cloud), ("fix", finding.fix)):
            if value:
                first, *more = value.splitlines()
                text.append(f"{gutter} = ", "blue").append(f"{label}: ", "bold").append(f"{first}\n")
                for line in more:
                    text.append(f"{gutter}   {' ' * len(label)}  {line}\n")
        return text

    def _excerpt(self, text: Text, location: Location, gutter: str, style: str) -> None:
        line = self._source_line(location)
        if line is None:
            return
        text.append(f"{gutter} |\n{location.line} | ", "blue").append(f"{line}\n")
        if location.column:
            width = max(1, (location.end_column or location.column + 1) - location.column)
            width = min(width, max(1, len(line) - location.column + 1))
            before = cell_len(line[: location.column - 1])  # some characters take two columns of a terminal
            text.append(f"{gutter} | ", "blue").append(" " * before + "^" * width + "\n", style)

    def _source_line(self, location: Location) -> str | None:
        if location.line is None:
            return None
        try:
            lines = (self._root / location.path).read_text(encoding="utf-8").split("\n")  # as Python counts lines
        except (OSError, UnicodeDecodeError):
            return None
        return lines[location.line - 1].replace("\t", " ") if 0 < location.line <= len(lines) else None

    def measured(self, text: str) -> None:
        """Print a line of what was measured, under the stage that has ended."""
        self._rich.print(Text(f"{'':14}{text}", "dim"))

    def told(self, label: str, text: str) -> None:
        """Print a line of what the command did or did not do."""
        self._rich.print(Text.assemble((f"{label}: ", "bold"), text))

    def verdict(self, passed: bool, text: str) -> None:
        """Print the one line that says how it ended."""
        self.end_phase()
        mark = ("PASSED", "bold green") if passed else ("FAILED", "bold red")
        self._rich.print(Text.assemble(mark, f"  {text}"))

    def error(self, message: str, fix: str = "") -> None:
        """Print why the command could not do its work."""
        self.end_phase()
        self._rich.print(Text.assemble(("error: ", "bold red"), message))
        if fix:
            self._rich.print(Text.assemble(("  fix: ", "bold"), fix))
