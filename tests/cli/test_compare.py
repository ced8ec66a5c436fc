"""`seatrial compare`: what it is given, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.cli.main import main
from tests.small_project import locked


def run(project: Path, *arguments: str) -> int:
    return main(["compare", "--project", str(project), *arguments])


@pytest.mark.parametrize("given", [[], ["a.txt"], ["a.txt", "b.txt", "c.txt"], ["a.txt", "b.txt", "--since", "HEAD"]])
def test_it_takes_two_locks_or_a_revision(healthy: Path, capsys: pytest.CaptureFixture[str], given: list[str]) -> None:
    assert run(healthy, *given) == 2
    assert "give two locks, or --since" in capsys.readouterr().err


def test_a_lock_that_is_not_there_is_wrong_usage(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(healthy, str(healthy / "old.txt"), str(healthy / "requirements.txt")) == 2
    told = capsys.readouterr().err
    assert "there is no" in told
    assert "fix: " in told


def test_locks_that_pin_the_same_pass_and_say_so(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = healthy / "before.txt"
    before.write_text("# older\n" + str(locked("numpy==2.0.0")["requirements.txt"]))
    assert run(healthy, str(before), str(healthy / "requirements.txt")) == 0
    assert "pin the same distributions, so nothing was run" in capsys.readouterr().err
