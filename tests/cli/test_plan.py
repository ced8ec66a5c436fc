"""`seatrial plan` writes what the workflow reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.cli.main import main
from tests.small_project import small_project


def read_outputs(text: str) -> dict[str, str]:
    """Read the file GITHUB_OUTPUT as the runner does."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        for following in lines:
            if following == delimiter:
                break
            value.append(following)
        found[name] = "\n".join(value)
    return found


def test_the_outputs_are_what_the_workflow_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = small_project(tmp_path / "models/one", {})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    arguments = ["--project", str(made.root), "--deploy", "true", "--target", "local", "--runner", '["x", "y"]']
    assert main(["plan", *arguments, "--format", "github"]) == 0
    found = read_outputs((tmp_path / "outputs").read_text())
    assert found["key"].startswith("models-one-")
    assert json.loads(found["runner"]) == ["x", "y"]
    assert json.loads(found["matrix"]) == {"include": [{"device": "cpu", "runner": ["x", "y"], "python": "3.11"}]}
    assert (found["deploy"], found["image"], found["arguments"]) == ("true", "false", "--target\nlocal")
    report = json.loads((made.root / "build/report/plan.json").read_text())
    assert report["verdict"] == "passed"


def test_a_plan_that_is_refused_still_names_the_project_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = small_project(tmp_path, {})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    assert main(["plan", "--project", str(made.root), "--deploy", "yes", "--format", "github"]) == 2
    assert list(read_outputs((tmp_path / "outputs").read_text())) == ["key"]
    report = json.loads((made.root / "build/report/plan.json").read_text())
    assert (report["verdict"], report["message"]) == ("error", "deploy is 'yes'")
