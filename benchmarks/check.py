"""Measure what a check of a large package costs: `seatrial check` beside `ast.parse` of the same files.

    pip download --no-deps timm
    python -m benchmarks.check timm-*.whl

Both are processes of their own, in turn, and the shortest processor time of each counts: other programs on the machine
only make it longer. The wheel becomes the package of a project whose predictor imports it; there is no lock, so that
no index is asked and no library is read.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROUNDS = 7
TIMEOUT = 300.0  # seconds of one process
_PARSE = "import ast, pathlib\nfor file in pathlib.Path().rglob('*.py'): ast.parse(file.read_bytes())"
_PREDICTOR = """import {package}


class Net:
    def load(self, artifacts_uri):
        self.model = {package}

    def preprocess(self, image):
        return image

    def predict(self, batch):
        return batch

    def postprocess(self, output):
        return output.tolist()
"""
_PROJECT = '[tool.seatrial]\nname = "net"\npredictor = "predictor:Net"\npackages = ["predictor", "{package}"]\n'


def main() -> int:
    """Print the processor times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        modules = _make(arguments.wheel, project)
        check = [sys.executable, "-m", "seatrial", "check", "--offline"]
        times = [
            (_seconds(check, project), _seconds([sys.executable, "-c", _PARSE], project))
            for _ in range(arguments.rounds)
        ]
    checked, parsed = (min(each) for each in zip(*times, strict=True))
    ratio = f"{checked / parsed:.2f}"
    sys.stdout.write(f"{modules} modules: check {checked:.2f} s, ast.parse {parsed:.2f} s, {ratio} times as long\n")
    return 0


def _make(wheel: Path, project: Path) -> int:
    """Unpack a wheel as the package of a project; return how many modules it has."""
    package = wheel.name.partition("-")[0]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(project)
    (project / "predictor.py").write_text(_PREDICTOR.format(package=package))
    (project / "pyproject.toml").write_text(_PROJECT.format(package=package))
    (project / "requirements.in").write_text("torch\ntorchvision\n")
    return sum(1 for _ in (project / package).rglob("*.py"))


def _seconds(command: list[str], folder: Path) -> float:
    """Return the processor time of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, capture_output=True, timeout=TIMEOUT, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
