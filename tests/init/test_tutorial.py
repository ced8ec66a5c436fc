"""docs/tutorial.md: from weights and the script that trained them to a green trial, in its three commands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from seatrial.cli.main import main
from tests.conftest import ROOT

PAGE = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
COMMANDS = [line.removeprefix("$ seatrial ").split() for line in re.findall(r"^\$ seatrial .*$", PAGE, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the script of the page and the weights of the demo, which has that architecture."""
    script = re.search(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert script
    (tmp_path / "train.py").write_text(script[1])
    shutil.copyfile(ROOT / "artifacts/weights.pt", tmp_path / "best.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_command_makes_a_project_that_the_check_accepts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [command[0] for command in COMMANDS[:3]] == ["init", "lock", "smoke"]
    assert main(COMMANDS[0]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    shown = re.search(r"^\$ seatrial init.*?\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    assert told == [line for line in shown[1].splitlines() if line.strip()]
    # The demo's lock stands in for that of the second command, which takes minutes.
    shutil.copyfile(ROOT / "requirements.in", folder / "requirements.in")
    shutil.copyfile(ROOT / "requirements.txt", folder / "requirements.txt")
    assert main(["check", "--offline"]) == 0


@pytest.mark.proof
@pytest.mark.timeout(2400)
def test_the_three_commands_end_green(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS[:3]:
        assert main(command) == 0, command
    assert "PASSED" in capsys.readouterr().err
