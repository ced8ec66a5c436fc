"""Checks in these tests start with an empty cache."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nothing_known(own_cache: Path) -> None:
    """Keep what other tests learnt of the same lock, such as an index that did not answer, out of the findings."""
