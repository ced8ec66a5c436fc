"""What the public sources say of every call, header, variable, limit and name that a deploy rests on.

These rows are data beside the code that makes the calls: docs/conformance.md is written from them, and a test fails if
the code makes a call that has no row. A row without a source is a guess. `python -m seatrial.deploy.vertex.conformance
docs/conformance.md` writes the page.
"""

from __future__ import annotations

import re

from seatrial.deploy.vertex.conformance.calls import HEADERS, REST, RPCS, STORAGE, VARIABLES
from seatrial.deploy.vertex.conformance.row import READ, Row
from seatrial.deploy.vertex.conformance.rules import RULES, SETTINGS

__all__ = ["HEADERS", "PARTS", "READ", "REST", "RPCS", "RULES", "SETTINGS", "STORAGE", "VARIABLES", "Row"]
_HEAD = """\
# Conformance

<!-- Written by `python -m seatrial.deploy.vertex.conformance docs/conformance.md`; the rows are in that folder. -->

What a deploy sends to Google, held against the public sources. A test fails if the code makes a call over gRPC or
REST, sends a header or a setting, or reads a variable that has no row here. The last column is the test that shows the
row. Most run against the emulator, which refuses what the source rules out.

The sources were read on {read}; the types are those of google-cloud-aiplatform 2.7.0. {guesses} rows are guesses: no
public source was found. Each says which run on Google Cloud would settle it.
"""
_MARKS = re.compile(r"([*_\[\]|<>])")

PARTS = {
    "Calls over gRPC": RPCS,
    "Calls over REST": REST,
    "Calls of Google's client of Cloud Storage": STORAGE,
    "Headers": HEADERS,
    "Variables of the container": VARIABLES,
    "Limits and names": RULES,
    "Settings": SETTINGS,
}


def numbered() -> list[tuple[int, Row]]:
    """Return all rows with their numbers on the page."""
    return list(enumerate((row for rows in PARTS.values() for row in rows), start=1))


def guesses() -> list[int]:
    """Return the numbers of the rows without a source."""
    return [number for number, row in numbered() if not row.source]


def page() -> str:
    """Return docs/conformance.md."""
    text, first = _HEAD.format(read=READ, guesses=len(guesses())), 1
    for title, rows in PARTS.items():
        cells = (_cells(row, code=rows not in (RULES, SETTINGS)) for row in rows)
        lines = [f"| {number} | {' | '.join(each)} |" for number, each in enumerate(cells, start=first)]
        text += f"\n## {title}\n\n| | | the source says | we send | shown by |\n|---:|---|---|---|---|\n"
        text += "".join(f"{line}\n" for line in lines)
        first += len(rows)
    return text


def _cells(row: Row, *, code: bool) -> tuple[str, str, str, str]:
    file, _, test = row.test.partition("::")
    says = (
        f"{_text(row.says)} ([source]({row.source}))"
        if row.source
        else f"*guess*: {_text(row.says)}. What settles it: {_text(row.settles)}"
    )
    shown = f"[{test.removeprefix('test_').replace('_', ' ')}](../tests/{file})"
    return f"`{row.name}`" if code else _text(row.name), says, _text(row.sends), shown


def _text(text: str) -> str:
    """Return text as Markdown; what is between backticks is code already."""
    parts = text.split("`")
    return "`".join(part if number % 2 else _MARKS.sub(r"\\\1", part) for number, part in enumerate(parts))
