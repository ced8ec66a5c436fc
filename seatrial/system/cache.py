"""Where the tool keeps what it may make again: environments, and what an index said of a lock's wheels."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.errors import UsageError


def cache_dir() -> Path:
    """Give the cache folder: SEATRIAL_CACHE, else the one in the user's cache folder.

    Raises:
        UsageError: there is neither, nor a home directory.
    """
    if own := os.environ.get("SEATRIAL_CACHE"):
        return Path(own).resolve()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "seatrial"
    try:
        return Path.home() / ".cache/seatrial"
    except RuntimeError:
        raise UsageError("there is no home directory", fix="set SEATRIAL_CACHE to a folder for caches") from None
