"""What formats for machines have in common: one document on standard output, and the console beside it."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.report.console import Console
from seatrial.report.renderer import Report


class DocumentRenderer(Console, ABC):
    """Prints nothing but its document to standard output."""

    def __init__(self, root: Path) -> None:
        """Refuse a closed standard output before the command begins.

        Raises:
            UsageError: it is closed.
        """
        if sys.stdout is None:
            raise UsageError("this --format needs a standard output, and it is closed")
        super().__init__(root)

    @abstractmethod
    def document(self, report: Report) -> str:
        """Return the document, without the end of its last line."""

    def show(self, report: Report) -> None:
        """Print the document, then show the report on the console."""
        sys.stdout.write(f"{self.document(report)}\n")
        super().show(report)

    def result(self, text: str) -> None:
        """Print the text to standard error, because standard output is the document's."""
        if sys.stderr is not None:
            sys.stderr.write(text)
