"""Train the demo in an environment of the training lock alone, in a copy of what training needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from seatrial.environment.interpreter import uv
from seatrial.system import process
from tests.conftest import ROOT


def environment(folder: Path) -> Path:
    """Install the training lock into `folder`; return its Python."""
    env = process.install_environment()
    install = [uv(), "pip", "install", "--quiet", "--python", str(folder / "bin/python"), "--require-hashes"]
    install += ["-r", str(ROOT / "training/requirements.txt")]
    for command in ([uv(), "venv", "--quiet", "--python", "3.11", str(folder)], install):
        subprocess.run(command, env=env, check=True, timeout=900)
    return folder / "bin/python"


def train(python: Path, root: Path, *, seed: int = 0) -> str:
    """Train in `root`, which then has `training/`, `seatrial/` and new artifacts; return what was printed."""
    for part in ("predictor", "training", "seatrial"):
        if not (root / part).exists():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    script = root / "training/train.py"
    before, text = "torch.manual_seed(0)", script.read_text(encoding="utf-8")
    assert before in text
    script.write_text(text.replace(before, f"torch.manual_seed({seed})"), encoding="utf-8")
    return subprocess.run(
        [python, "-m", "training.train"],
        cwd=root, env={"PATH": os.environ["PATH"]}, check=True, capture_output=True, text=True, timeout=900,
    ).stdout  # fmt: skip
