"""A control plane and a client of it, for tests that need nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.deploy.vertex.client import Vertex
from tests.deploy.emulated import Emulated, emulated


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulated]:
    with emulated(tmp_path) as running:
        yield running


@pytest.fixture
def vertex(emulator: Emulated) -> Iterator[Vertex]:
    with emulator.vertex() as client:
        yield client
