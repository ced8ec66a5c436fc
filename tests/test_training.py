"""Training the demo again: the same bytes, and the accuracy that the README names."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial import process
from seatrial.interpreter import uv
from tests.conftest import ROOT

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of an environment made of the training lock alone."""
    target = tmp_path_factory.mktemp("training") / "environment"
    env = process.install_environment()
    lock = str(ROOT / "training/requirements.txt")
    install = [
        uv(),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(target / "bin/python"),
        "--require-hashes",
        "-r",
        lock,
    ]
    for command in ([uv(), "venv", "--quiet", "--python", "3.11", str(target)], install):
        subprocess.run(command, env=env, check=True, timeout=900)
    return target / "bin/python"


def trained(python: Path, folder: Path) -> tuple[dict[str, str], str]:
    """Train in a copy of what training needs; give the digest of each artifact, and what was printed."""
    for part in ("predictor", "training", "seatrial"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [python, "-m", "training.train"],
        cwd=folder, env={"PATH": os.environ["PATH"]}, check=True, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    files = [path for path in (folder / "artifacts").rglob("*") if path.is_file()]
    digests = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    return digests, ran.stdout


def test_two_trainings_write_the_same_bytes_and_the_accuracy_of_the_readme(python: Path, tmp_path: Path) -> None:
    first, printed = trained(python, tmp_path / "first")
    second, _ = trained(python, tmp_path / "second")
    assert first == second
    found = re.search(r"held-out accuracy ([\d.]+) \((\d+ of \d+)\)", printed)
    assert found
    assert float(found[1]) >= 0.97
    assert f"({found[2]} scans)" in (ROOT / "README.md").read_text().replace("\n", " ")
