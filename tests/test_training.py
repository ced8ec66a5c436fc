"""Training the demo again gives the same bytes, and the accuracy that the README names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training import environment, train

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]


def trained(python: Path, folder: Path) -> tuple[dict[str, str], str]:
    """Train in an empty folder; return the digest of each artifact, and what was printed."""
    printed = train(python, folder)
    files = [path for path in (folder / "artifacts").rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}, printed


def test_two_trainings_write_the_same_bytes_and_the_accuracy_of_the_readme(tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    first, printed = trained(python, tmp_path / "first")
    second, _ = trained(python, tmp_path / "second")
    assert first == second
    found = re.search(r"held-out accuracy ([\d.]+) \((\d+ of \d+)\)", printed)
    assert found
    assert float(found[1]) >= 0.97
    assert f"({found[2]} scans)" in (ROOT / "README.md").read_text().replace("\n", " ")
