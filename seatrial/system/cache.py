"""Where the tool keeps what it can make again: environments, what an index said of a lock's wheels, and artifacts."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.errors import UsageError


def cache_dir() -> Path:
    """Return the cache folder: SEATRIAL_CACHE, or one in the user's cache folder.

    Raises:
        UsageError: no variable names one, and there is no home directory.
    """
    if own := os.environ.get("SEATRIAL_CACHE"):
        return Path(own).resolve()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "seatrial"
    try:
        return Path.home() / ".cache/seatrial"
    except RuntimeError:
        raise UsageError("there is no home directory", fix="set SEATRIAL_CACHE to a folder for caches") from None


def artifacts_dir() -> Path:
    """Return where the artifacts that came from Cloud Storage are kept.

    Raises:
        UsageError: as `cache_dir`.
    """
    return cache_dir() / "artifacts"
