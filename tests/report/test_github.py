"""What a job leaves for GitHub: nothing foreign in it can become a command, and no output can end itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.findings import Finding, Location, Severity
from seatrial.report import github
from seatrial.report.renderer import Report


def annotated(*findings: Finding, folder: str = "") -> list[str]:
    return list(github.annotated([finding.as_dict() for finding in findings], folder))


def test_a_finding_is_an_annotation_on_its_file_in_the_repository() -> None:
    finding = Finding("ST120", "wrong pair", location=Location("requirements.in", 2, 1, 20), cause="so", fix="do this")
    (line,) = annotated(finding, folder="models/one")
    place, text = line.rsplit("::", 1)
    assert place == "::error title=ST120,file=models/one/requirements.in,line=2,col=1,endColumn=19"
    assert text == "wrong pair%0Acause: so%0Afix: do this"


def test_a_finding_without_a_file_of_the_project_names_none() -> None:
    found = annotated(
        Finding("ST505", "slow", Severity.WARNING), Finding("ST505", "x", Severity.NOTE, Location("/usr/lib/x.py", 3))
    )
    assert found == ["::warning title=ST505::slow", "::notice title=ST505::x"]


def test_foreign_text_cannot_begin_another_command() -> None:
    finding = Finding("ST1", "a\r\n::set-env name=X::100%", location=Location("a,b:c\n.py", 1))
    (line,) = annotated(finding)
    assert "\n" not in line
    assert "\r" not in line
    assert line == "::error title=ST1,file=a%2Cb%3Ac%0A.py,line=1::a%0D%0A::set-env name=X::100%25"


def test_no_more_is_annotated_than_github_shows_and_errors_come_first() -> None:
    many = [Finding("ST1", str(number), Severity.WARNING) for number in range(30)]
    found = annotated(*many, Finding("ST2", "bad"))
    assert len(found) == 11
    assert found[0] == "::error title=ST2::bad"


def test_an_output_cannot_end_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    github.set_outputs(one="end-\nother<<x\n", some_list=["a"])
    lines = (tmp_path / "outputs").read_text().split("\n")
    name, _, delimiter = lines[0].partition("<<")
    assert name == "one"
    assert lines.index(delimiter) == 4
    assert lines[5].startswith("some-list<<")
    assert json.loads(lines[6]) == ["a"]


def test_each_command_and_device_has_a_report_of_its_own(tmp_path: Path) -> None:
    names = [
        github.record(tmp_path, {"command": command, "device": device}).relative_to(tmp_path).as_posix()
        for command, device in (("smoke", "cpu"), ("smoke", "cuda"), ("smoke --image", "cpu"), ("lock", None))
    ]
    assert names == [
        "build/report/smoke-cpu.json", "build/report/smoke-cuda.json", "build/report/smoke-image-cpu.json",
        "build/report/lock.json",
    ]  # fmt: skip


def test_errors_that_ended_a_command_early_are_annotated_after_the_findings() -> None:
    finding = Finding("ST1", "bad").as_dict()
    reports: list[dict[str, Any]] = [
        {"command": "deploy", "verdict": "error", "message": "no cloud", "fix": "log in"},
        {"command": "smoke", "verdict": "failed", "findings": [finding]},
        {"command": "smoke", "verdict": "failed", "findings": [finding]},
    ]
    assert list(github.workflow_commands(reports)) == [
        "::error title=ST1::bad",
        "::error title=deploy::no cloud; log in",
    ]


def test_a_full_disk_does_not_hide_what_ended_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "build").write_text("a file where the folder should be")
    github.GitHub(tmp_path).show(Report("build", "error", [], message="the disk is full"))
    assert capsys.readouterr().err == "error: the disk is full\n"
