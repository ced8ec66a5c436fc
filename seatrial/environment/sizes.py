"""What the distributions of a kept environment take on disk."""

from __future__ import annotations

import contextlib
import csv

from packaging.utils import canonicalize_name

from seatrial.environment.record import rows
from seatrial.environment.store import Kept, site_packages


def of(kept: Kept) -> dict[str, int]:
    """Return the bytes of the files that each distribution installed, as its RECORD lists them, by canonical name."""
    found: dict[str, int] = {}
    for record in site_packages(kept.path).glob("*.dist-info/RECORD"):
        name = str(canonicalize_name(record.parent.name.removesuffix(".dist-info").rpartition("-")[0]))
        with contextlib.suppress(OSError, csv.Error):
            sizes = (row[2] for row in rows(record.read_text(encoding="utf-8", errors="replace")) if len(row) > 2)
            found[name] = sum(int(size) for size in sizes if size.isdigit())
    return found
