"""Variables of the container: which are credentials, and that no finding shows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.report.console import Console
from seatrial.rules.supply import variables
from tests.projects.base import Twin, made
from tests.projects.twins.variables import with_env
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("twin", twins_of(variables), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_no_report_shows_the_credential(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = findings(made(tmp_path, with_env("DATABASE_PASSWORD", SECRET)))
    assert [finding.code for finding in found] == ["ST812"]
    console = Console(tmp_path)
    for finding in found:
        console.finding(finding)
    shown = "".join(capsys.readouterr())
    assert "DATABASE_PASSWORD" in shown
    assert "gcloud secrets create" in shown
    assert SECRET not in shown
