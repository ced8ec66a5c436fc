"""docs/tutorial.md: every command that it shows is executed, in its order, and what it prints is compared.

Each of its beginnings is a folder with the files that the page shows, and the weights of the demo, whose architecture
that is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from seatrial.cli.main import main
from tests import pages
from tests.conftest import ROOT
from tests.published import published

PAGE = ROOT / "docs/tutorial.md"
OTHERS = "## Other beginnings"
WEIGHTS = {  # section → where it says that the weights are
    "": "best.pth",
    "### A package in `src/`": "checkpoints/best.pth",
    "### A custom prediction routine": "model/model.pth",
    "### A TorchServe handler": "model.pth",
}
__all__ = ["published"]  # a fixture


def shown(heading: str) -> str:
    """Return the section of a beginning; the first is the page without the others."""
    return pages.section(PAGE, heading) if heading else pages.section(PAGE).partition(OTHERS)[0]


@pytest.fixture(params=WEIGHTS, ids=["script and weights", "src", "CPR", "TorchServe"])
def heading(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that a beginning starts from."""
    folder = tmp_path / "digits"
    weights = folder / WEIGHTS[heading]
    weights.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "artifacts/weights.pt", weights)
    pages.write_files(shown(heading), folder)
    monkeypatch.chdir(folder)
    return folder


def test_the_first_command_prints_what_the_page_shows_and_makes_a_project_that_the_check_accepts(
    heading: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init, lock, smoke, *_ = pages.commands(shown(heading))
    assert (lock.line, smoke.line) == ("seatrial lock", "seatrial smoke")
    assert main(init.line.split()[1:]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.strip()] == list(init.prints)
    for block in pages.blocks(shown(heading)):
        assert block.language != "text" or block.text in (folder / "predictor.py").read_text(encoding="utf-8")
    # A lock of this repository stands in for that of the second command, which takes minutes.
    for name in ("requirements.in", "requirements.txt"):
        shutil.copyfile(ROOT / ("examples/cpr" if "custom" in heading else ".") / name, folder / name)
    assert main(["check", "--offline"]) == 0


def test_every_command_of_the_page_is_in_a_beginning() -> None:
    assert pages.section(PAGE).count("\n### ") == len(WEIGHTS) - 1
    executed = [command for heading in WEIGHTS for command in pages.commands(shown(heading))]
    assert executed == pages.commands(pages.section(PAGE))
    assert {block.language for block in pages.blocks(pages.section(PAGE))} == {
        "console", "python", "toml", "json", "text",
    }  # fmt: skip


@pytest.mark.proof
@pytest.mark.timeout(2400)
def test_every_command_does_what_the_page_shows(
    heading: str, folder: Path, tmp_path: Path, published: Mapping[str, str]
) -> None:
    programs = {**published, "PATH": path(tmp_path)}
    for command in pages.commands(shown(heading)):
        if command.line.startswith("pip "):
            training(tmp_path / "training", folder / "requirements.txt")
        if " record_golden.py " in command.line:
            photos(folder, command.line.split()[3:])
        pages.run(command, folder, programs)


def path(tmp_path: Path) -> str:
    """Return a PATH with the `seatrial` that is tested, then the training's programs, then this machine's."""
    tool = tmp_path / "tool"
    tool.mkdir()
    (tool / "seatrial").symlink_to(Path(sys.executable).parent / "seatrial")
    return os.pathsep.join(map(str, (tool, tmp_path / "training/bin", os.environ["PATH"])))


def training(environment: Path, lock: Path) -> None:
    """Make the environment of the training; what was locked stands in for it."""
    uv = find_uv_bin()
    install = [uv, "pip", "install", "--quiet", "--python", str(environment), "--require-hashes", "--requirement"]
    subprocess.run([uv, "venv", "--quiet", "--seed", "--python", "3.11", str(environment)], check=True, timeout=300)
    subprocess.run([*install, str(lock)], check=True, timeout=1200)


def photos(folder: Path, names: list[str]) -> None:
    """Put the images there that the page records; scans of the demo stand in for them."""
    for name, scan in zip(names, sorted((ROOT / "artifacts/golden").glob("*.png")), strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scan, folder / name)
