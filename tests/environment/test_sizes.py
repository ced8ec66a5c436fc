"""Sizes: what each distribution takes on disk."""

from __future__ import annotations

from pathlib import Path

from seatrial.environment import sizes
from seatrial.environment.interpreter import Interpreter
from tests.environment.small_lock import kept


def test_a_distribution_takes_what_its_files_take(own_cache: Path, python: Interpreter) -> None:
    made = kept(python)
    found = sizes.of(made)
    (package,) = (made.path / "environment").glob("lib/*/site-packages/h11")
    files = sum(file.stat().st_size for file in package.rglob("*.py"))
    assert files <= found["h11"] < 2 * files + 100_000
