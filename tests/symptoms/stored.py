"""A stored text: its file is a header of `name: value` lines, a line `---`, and then the text as it was written.

A text that a machine without cloud, GPU or another processor cannot give is quoted, and its header has the source.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

TEXTS = Path(__file__).parent / "texts"
RULER = "---\n"


@dataclass(frozen=True, slots=True)
class Stored:
    """One text.

    Attributes:
        rule: the code that the translator must find first.
        text: what was written.
        made: the date, the Python and the distributions that it was made with; "" for a quotation.
        command: what was run.
        source: where a quoted text stands in public; "" for one that was made.
        own: a module of the project that does not ship.
    """

    rule: str
    text: str
    made: str = ""
    command: str = ""
    source: str = ""
    own: str = ""

    def write(self, file: Path) -> None:
        """Write the file."""
        header = "".join(
            f"{each.name}: {value}\n"
            for each in fields(self)
            if each.name != "text" and (value := getattr(self, each.name))
        )
        file.write_text(f"{header}{RULER}{self.text.rstrip()}\n", encoding="utf-8")


def read(file: Path) -> Stored:
    """Read a file.

    Raises:
        ValueError: it has no header.
    """
    header, ruler, text = file.read_text(encoding="utf-8").partition(RULER)
    if not ruler:
        raise ValueError(file)
    return Stored(text=text, **dict(line.split(": ", 1) for line in header.splitlines()))
