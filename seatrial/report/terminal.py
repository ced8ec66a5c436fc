"""A terminal, by rich: styles and the live line. Imported only for a terminal, because rich takes time to load."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Terminal(Console):
    """Standard error as rich sees it."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Raise it: rich would end the process with exit code 1, which means findings here."""
        raise

    def show(self, parts: Iterable[tuple[str, str]]) -> None:
        """Print one text, given as pairs of (text, style)."""
        self.print(self.text(parts))

    def live(self, parts: Iterable[tuple[str, str]]) -> Status:
        """Show a line that can change, until it is stopped."""
        status = self.status(self.text(parts), spinner="dots")
        status.start()
        return status

    @staticmethod
    def text(parts: Iterable[tuple[str, str]]) -> Text:
        """Return pairs of (text, style) as rich's text; nothing in it is markup."""
        return Text.assemble(*parts)
