"""docs/pictures, from real runs on this machine: `python -m tools.pictures docs/pictures`.

Two recordings of a terminal as SVG, a trial of the demo that passes and one of a copy whose transform was changed, and
the HTML report of the latter as Chromium shows it.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from PIL import Image
from rich.console import Console
from rich.text import Text

from seatrial.cli.main import main as seatrial
from seatrial.report import console

ROOT = Path(__file__).parent.parent
WIDTH = 110  # columns of the terminal
PIXELS = (1280, 1340)  # of the browser's window
SHIPS = ("predictor", "artifacts", "requirements.in", "requirements.txt", "pyproject.toml")
CHANGED = ("InterpolationMode.BILINEAR", "InterpolationMode.NEAREST")  # in predictor/transforms.py


class Recorder(Console):
    """A terminal without a live line, which a picture cannot show."""

    def __init__(self) -> None:
        super().__init__(record=True, file=io.StringIO(), width=WIDTH, highlight=False)

    def show(self, parts: Iterable[tuple[str, str]]) -> None:
        """Print one text, given as pairs of (text, style)."""
        self.print(Text.assemble(*parts))


def record(project: Path, file: Path) -> None:
    """Run a trial of a project and draw what the terminal shows."""
    terminal = Recorder()
    terminal.print("$ seatrial smoke", style="bold")
    before = Path.cwd()
    os.chdir(project)
    try:
        with mock.patch.object(console, "_terminal", return_value=terminal):
            seatrial(["smoke"])
    finally:
        os.chdir(before)
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", terminal.export_svg(title=project.name), flags=re.DOTALL)  # from afar
    file.write_text(drawn, encoding="utf-8")


def photograph(page: Path, file: Path) -> None:
    """Save how Chromium shows a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is not installed")
    size = ",".join(map(str, PIXELS))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
    subprocess.run([*command, f"--screenshot={file}", page.as_uri()], check=True, capture_output=True, timeout=120)
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(64).save(file, optimize=True)


def main(folder: Path) -> None:
    """Write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        project = Path(place) / "digits"
        for name in SHIPS:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            project.mkdir(exist_ok=True)
            copy(ROOT / name, project / name)
        record(project, folder / "passed.svg")
        transforms = project / "predictor/transforms.py"
        transforms.write_text(transforms.read_text(encoding="utf-8").replace(*CHANGED), encoding="utf-8")
        record(project, folder / "failed.svg")
        photograph(project / "build/smoke/report.html", folder / "report.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
