"""A control plane for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.small_plane import Small, running


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    """A control plane without records."""
    with running(tmp_path / "state.sqlite") as plane:
        yield plane
