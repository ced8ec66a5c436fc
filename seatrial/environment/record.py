"""RECORD, the list of what a distribution installed: CSV of path, hash and size, as PyPA specifies it.

Paths are relative to site-packages and may lead out of it. Nothing is read from disk here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def rows(text: str) -> list[list[str]]:
    """Parse a RECORD; the first field of each row is the path.

    Raises:
        csv.Error: it is not CSV.
    """
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def written(rows: Iterable[list[str]]) -> str:
    """Return rows as the text of a RECORD, sorted, so that it does not depend on the order of installing."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue()
