"""What only reads works where Python lacks the modules of Linux; the rest says at once what it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Python as it is on another platform: no module of POSIX, which an importer refuses as if it were not there.
ELSEWHERE = """
import sys

class Elsewhere:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "grp", "pwd", "resource", "termios"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Elsewhere())
for name in ("fcntl", "grp", "pwd", "resource"):
    sys.modules.pop(name, None)
from seatrial.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
SHIPS = ("predictor", "artifacts", "requirements.in", "requirements.txt", "requirements-cpu.txt", "pyproject.toml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in SHIPS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        elif (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("check --offline", 0, "PASSED"),
        ("lock --check", 0, "PASSED"),
        ("explain ST120", 0, ""),
        ("config", 0, ""),
        ("completion zsh", 0, ""),
        ("init --dry-run --yes", 0, ""),
        ("lock", 3, "this command needs Linux"),
        ("smoke --skip-check", 3, "this command needs Linux"),
    ],
)
def test_commands_work_or_say_what_they_need(project: Path, command: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, *command.split()],
        cwd=project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
