"""Projects that the command line is tried on: one that is as it should be, one whose lock is out of date."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_project import locked, small_project


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    return small_project(tmp_path / "healthy", {**locked("numpy==2.0.0"), "artifacts/weights": "1"}).root


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    return small_project(tmp_path / "stale", {**locked("numpy==2.0.0"), "requirements.in": "pillow\n"}).root
