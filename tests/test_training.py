"""Training the demo again gives the same bytes; the README names the accuracy of the weights that ship."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training import environment, train

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]
ACCURACY = re.compile(r"held-out accuracy ([\d.]+) \((\d+ of \d+)\)")
MEASURE = """\
from predictor import DigitPredictor
from training import scans, split, train

predictor = DigitPredictor()
predictor.load("artifacts")
everything = scans.load()
train.rightly_answered(predictor, [everything[index] for index in split.held_out()])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("training") / "environment")


def trained(python: Path, folder: Path) -> tuple[dict[str, str], str]:
    """Train in an empty folder; return the digest of each artifact, and what was printed."""
    printed = train(python, folder)
    files = [path for path in (folder / "artifacts").rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}, printed


def test_two_trainings_write_the_same_bytes(tmp_path: Path, python: Path) -> None:
    # Other processors give other sums, and so other weights: the bytes of this machine's two runs are compared.
    first, printed = trained(python, tmp_path / "first")
    second, _ = trained(python, tmp_path / "second")
    assert first == second
    found = ACCURACY.search(printed)
    assert found
    assert float(found[1]) >= 0.97


def test_the_readme_names_the_accuracy_of_the_weights_that_ship(tmp_path: Path, python: Path) -> None:
    for part in ("predictor", "training", "seatrial", "artifacts"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    run = subprocess.run([python, "-c", MEASURE], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=300)
    found = ACCURACY.search(run.stdout)
    assert found
    assert f"({found[2]} scans)" in (ROOT / "README.md").read_text().replace("\n", " ")
