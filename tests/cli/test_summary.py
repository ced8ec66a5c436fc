"""`seatrial summary` reads the reports of all jobs, and writes where GitHub looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.cli.main import main
from seatrial.report import github
from tests.report.test_markdown import PAIR, error, report


def test_annotations_and_summary_are_written_from_the_files_of_all_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    github.record(tmp_path / "a", report("smoke", device="cpu"))
    github.record(tmp_path / "b", report("check", PAIR))
    github.record(tmp_path / "c", error("image build", "no engine"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    jobs = ["--jobs", "check=failure smoke= image=failure", "--planned", "smoke=false image=true"]
    assert main(["summary", "--reports", str(tmp_path), "--folder", "models/one", *jobs]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "::error title=ST120,file=models/one/requirements.in,line=2,col=1::wrong pair%0Afix: keep torch==1.13.1",
        "::error title=image build::no engine",
    ]
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert lines[0].startswith("**ST120**")
    stages = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    assert stages == ["| stage", "| check", "| smoke cpu", "| image build", "| job check", "| job image"]


@pytest.mark.parametrize(("planned", "code"), [("image=false", 0), ("image=true", 1), ("", 1)])
def test_it_fails_if_a_job_was_skipped_that_the_plan_did_not_leave_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], planned: str, code: int
) -> None:
    github.record(tmp_path, report("check"))
    jobs = ["--jobs", "plan=success image=skipped", "--planned", planned]
    assert main(["summary", "--reports", str(tmp_path), *jobs]) == code
    assert ("**Passed.**" in capsys.readouterr().out) is (code == 0)
