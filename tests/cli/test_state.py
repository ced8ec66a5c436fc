"""`seatrial` without a command: each point by what the files say, and the first that is missing as the next command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from seatrial.bundle import digest_of
from seatrial.cli import state
from seatrial.cli.main import main
from tests.small_project import locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.project import Project

SERVED = """\
class P:
    @classmethod
    def from_path(cls, model_dir):
        return cls()

    def predict(self, instances, **kwargs):
        return instances
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path, {"predictor.py": SERVED, "artifacts/a.json": "{}", **locked("numpy==2.0.0")})


def reported(project: Project, name: str, **data: Any) -> None:
    file = project.build_dir / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"device": "cpu", "bundle_digest": digest_of(project, "cpu"), **data}))


def said(project: Project) -> dict[str, tuple[bool, str]]:
    return {point.name: (point.done, point.command) for point in state.points(project)}


def test_a_project_without_a_lock_is_told_to_lock(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.lock_file.unlink()
    (project.root / "inner").mkdir()
    monkeypatch.chdir(project.root / "inner")
    assert main([]) == 0
    told = capsys.readouterr().out
    assert "no   locked    there is no requirements.txt" in told
    assert "next: seatrial lock;" in told


def test_a_trial_proves_the_files_that_it_was_of(project: Project) -> None:
    assert said(project)["proven"] == (False, "seatrial smoke")
    reported(project, "smoke/report.json", verdict="passed", depth="full")
    assert said(project)["proven"][0]
    reported(project, "smoke/report.json", verdict="failed")
    assert not said(project)["proven"][0]
    reported(project, "smoke/report.json", verdict="passed", depth="full")
    (project.artifacts_dir / "a.json").write_text("{ }")
    assert not said(project)["proven"][0]


def test_a_rehearsal_is_no_deploy(project: Project) -> None:
    reported(project, "deploy/deploy.json", target="local", status="deployed", rehearsal=True)
    assert said(project)["deployed"] == (False, "seatrial deploy --target vertex")
    reported(project, "deploy/deploy.json", target="vertex", status="failed", rehearsal=False)
    assert said(project)["deployed"] == (False, "seatrial deploy")
    reported(project, "deploy/deploy.json", target="vertex", status="deployed", rehearsal=False)
    assert said(project)["deployed"][0]


def test_an_error_of_the_check_is_named(project: Project) -> None:
    (project.root / "predictor.py").write_text("def (")
    (checked,) = [point for point in state.points(project) if point.name == "checked"]
    assert (checked.done, checked.why) == (False, "errors: ST203")
