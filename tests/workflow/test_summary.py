"""What the jobs of a workflow left."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import UsageError
from seatrial.report import github
from seatrial.report.markdown import Job
from seatrial.workflow import summary


@pytest.mark.parametrize("text", ["plan", "=success"])
def test_jobs_have_names_and_results(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        summary.jobs(text)


def test_a_job_without_a_result_was_skipped() -> None:
    assert summary.jobs("plan=success smoke=") == [Job("plan", "success"), Job("smoke", "skipped")]


@pytest.mark.parametrize(
    ("result", "planned", "passed"),
    [
        ("success", "true", True),
        ("failure", "true", False),
        ("cancelled", "true", False),
        ("skipped", "true", False),
        ("skipped", "false", True),
        ("skipped", "", False),  # the plan failed and says nothing
        ("failure", "false", False),
        ("timed_out", "true", False),
    ],
)
def test_a_job_passes_if_it_succeeded_or_was_left_out_by_the_plan(result: str, planned: str, *, passed: bool) -> None:
    plan, smoke = summary.jobs(f"plan=success smoke={result}", f"smoke={planned}")
    assert (plan.passed, smoke.passed) == (True, passed)


def test_reports_come_in_the_order_of_the_stages_and_other_files_are_ignored(tmp_path: Path) -> None:
    for command in ("deploy", "smoke", "check"):
        github.record(tmp_path / command, {"command": command, "device": "cpu"})
    (tmp_path / "settings.json").write_text("{}")
    assert [report["command"] for report in summary.read(tmp_path)] == ["check", "smoke", "deploy"]


def test_a_report_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = github.record(tmp_path, {"command": "check"})
    file.write_text("{")
    with pytest.raises(UsageError, match=r"check\.json is not a report: "):
        summary.read(tmp_path)


def test_the_outputs_are_the_verdict_and_the_digests_of_the_bundles_that_passed() -> None:
    def smoke(verdict: str, digest: str) -> dict[str, str]:
        return {"command": "smoke", "verdict": verdict, "bundle_digest": digest}

    image = {**smoke("passed", "ffff"), "command": "smoke --image"}
    assert summary.outputs([smoke("passed", "bb"), smoke("passed", "bb"), image], [Job("smoke", "success")]) == {
        "verdict": "passed",
        "bundle_digest": "bb",
    }
    assert summary.outputs([smoke("passed", "bb"), smoke("passed", "aa")], [])["bundle_digest"] == "aa bb"
    refused = [smoke("failed", "bb"), {"command": "smoke", "verdict": "error"}]
    assert summary.outputs(refused, [Job("smoke", "failure")]) == {"verdict": "failed", "bundle_digest": ""}
