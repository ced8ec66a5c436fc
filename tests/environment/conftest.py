"""A Python to make environments with, and a cache of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.environment import interpreter
from seatrial.environment.interpreter import Interpreter
from tests.environment.small_lock import VERSION
from tests.stages import ended


@pytest.fixture
def python() -> Interpreter:
    return ended(interpreter.find(VERSION)).value


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "own-cache"
    monkeypatch.setenv("SEATRIAL_CACHE", str(cache))
    return cache
