"""RECORD, the list of what a distribution installed: CSV of path, hash and size, by PyPA's specification of it.

Paths are relative to the folder of distributions and may lead out of it. Nothing is looked up on disk here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def rows(text: str) -> list[list[str]]:
    """Parse a RECORD; the first field of each row is the path.

    Raises:
        csv.Error: it is no CSV.
    """
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def written(rows: Iterable[list[str]]) -> str:
    """Write rows as a RECORD, sorted, so that the order of installing shows nowhere."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue()
