"""README.md: every command that it shows is executed, in its order, by the tool that its first command installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests import pages
from tests.conftest import ROOT
from tests.published import published

PAGE = ROOT / "README.md"
TUTORIAL = ROOT / "docs/tutorial.md"
SHORTER = {  # command → what is executed in its place, and why
    ".venv/bin/nox -s tests": (".venv/bin/nox -s tests -- tests/test_findings.py", "all of it is the gate itself"),
}
NOT_ZERO = {"seatrial check": 2}  # before `seatrial init` there is nothing to check, and it says what to do
__all__ = ["published"]  # a fixture


def test_its_blocks_are_the_sections_that_are_executed_and_a_workflow() -> None:
    executed = [c for heading in ("## Install", "## Three commands", "## Try it in a clone") for c in shown(heading)]
    assert executed == pages.commands(PAGE.read_text(encoding="utf-8"))
    assert set(SHORTER) | set(NOT_ZERO) <= {command.line for command in executed}
    others = [block for block in pages.blocks(PAGE.read_text(encoding="utf-8")) if block.language != "console"]
    # tests/workflows/test_scenarios.py executes it.
    assert [block.language for block in others] == ["yaml"]


@pytest.mark.proof
@pytest.mark.timeout(2400)
def test_what_it_installs_makes_a_repository_green_in_its_three_commands(
    tmp_path: Path, published: Mapping[str, str]
) -> None:
    """The repository is that of the tutorial."""
    folder, programs = tmp_path / "digits", tmp_path / "programs"
    folder.mkdir()
    pages.write_files(TUTORIAL.read_text(encoding="utf-8").partition("## Other beginnings")[0], folder)
    shutil.copyfile(ROOT / "artifacts/weights.pt", folder / "best.pth")
    environment = {
        **published,
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(programs),
        "UV_PYTHON": sys.executable,
        "PATH": os.pathsep.join([str(programs), str(Path(find_uv_bin()).parent), *clean_path()]),
    }
    for command in (*shown("## Install"), *shown("## Three commands")):
        pages.run(command, folder, environment, code=NOT_ZERO.get(command.line, 0))
    assert (tmp_path / "tools/seatrial").is_dir()


@pytest.mark.proof
@pytest.mark.timeout(2400)
def test_a_clone_is_tried_as_it_says(tmp_path: Path, published: Mapping[str, str]) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    environment = {**published, "PATH": os.pathsep.join([str(programs), *clean_path()])}
    clone = ["git", "clone", "--quiet", "https://github.com/seatrial/seatrial", str(tmp_path / "seatrial")]
    subprocess.run(clone, env={**os.environ, **published}, check=True, timeout=120)
    for command in shown("## Try it in a clone"):
        line, _ = SHORTER.get(command.line, (command.line, ""))
        pages.run(pages.Command(line, command.prints), tmp_path / "seatrial", environment)


def shown(heading: str) -> list[pages.Command]:
    return pages.commands(pages.section(PAGE, heading))


def clean_path() -> list[str]:
    """Return the folders of programs, without the environment that the tests run in."""
    return [part for part in os.environ["PATH"].split(os.pathsep) if part != str(Path(sys.executable).parent)]
