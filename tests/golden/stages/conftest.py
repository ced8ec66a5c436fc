"""What the proofs of stages share: environments that are installed once, and photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seatrial.environment import interpreter
from seatrial.environment.interpreter import uv
from tests.golden.stages.installed import ENVIRONMENTS, Installing, run
from tests.stages import ended


@pytest.fixture(scope="session")
def python_of(tmp_path_factory: pytest.TempPathFactory) -> Installing:
    """Return a function that installs an environment by its name and returns its Python."""
    made: dict[str, Path] = {}

    def install(name: str) -> Path:
        if name not in made:
            version, pins = ENVIRONMENTS[name]
            found = ended(interpreter.find(version)).value
            folder = tmp_path_factory.mktemp("environment")
            run([uv(), "venv", "--quiet", "--clear", "--python", str(found.executable), str(folder)])
            made[name] = folder / "bin/python"
            run([uv(), "pip", "install", "--quiet", "--python", str(made[name]), *pins])
        return made[name]

    return install


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return two JPEG files of 4:2:0 with an EXIF orientation: colours and edges, and not square."""
    rows, columns = np.mgrid[0:72, 0:96]
    files = []
    for number in range(2):
        waves = [np.sin(rows / (3 + number)) + np.cos(columns / 5), np.sin(columns / 2), np.cos((rows + columns) / 7)]
        pixels = np.stack([(wave - wave.min()) / np.ptp(wave) * 255 for wave in waves], axis=2).astype(np.uint8)
        exif = Image.Exif()
        exif[274] = 6  # orientation: turned by a quarter
        files.append(tmp_path / f"{number}.jpg")
        Image.fromarray(pixels).save(files[-1], quality=90, subsampling="4:2:0", exif=exif)
    return files
