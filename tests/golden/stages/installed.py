"""Environments of old and new versions, really installed, in which stages are recorded and replayed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[3]
RUN = Path(__file__).parent / "replayed.py"
TODAY = ("torch==2.15.0", "torchvision==0.29.2", "numpy==2.4.6", "pillow==13.0.0")
# Python and pins; torch 2.1 needs numpy 1, and Pillow 8.4 has no wheel for a Python above 3.10.
ENVIRONMENTS = {
    "torchvision 0.16": (
        "3.11",
        ("torch==2.1.2", "torchvision==0.16.2", "numpy==1.26.4", "pillow==10.4.0", "setuptools==69.5.1"),
    ),
    "today": ("3.11", TODAY),
    "albumentations": ("3.11", ("albumentations==2.0.8", "numpy==2.4.6", "pillow==13.0.0")),
    "libraries of torch": ("3.11", (*TODAY, "timm==1.0.31", "transformers==5.24.0")),
    "pillow 8.4": ("3.10", ("pillow==8.4.0", "numpy==1.26.4")),
    "pillow 13": ("3.11", ("pillow==13.0.0", "numpy==2.4.6")),
}
Installing = Callable[[str], Path]


def run(command: list[str], **variables: str) -> str:
    """Run a program with the tool's modules on its path, on the CPU, with one thread unless a variable says more."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
