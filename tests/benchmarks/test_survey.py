"""The survey: a repository becomes a project with what it imports, and what is found is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import survey


def test_a_repository_becomes_a_project_and_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serving = tmp_path / "clones/anna+digits/serving"
    (serving / "models").mkdir(parents=True)
    (serving / "models/net.py").write_text("import numpy\n")
    (serving / "unused.py").write_text("")
    (serving / "app.py").write_text("import flask\nfrom models import net\napp = flask.Flask(__name__)\n")
    (serving.parent / "requirements.txt").write_text("flask==3.0.0\n")
    named = tmp_path / "survey.txt"
    named.write_text("# a comment\nanna/digits 0123456789ab serving app:app ../requirements.txt\n")
    work = tmp_path / "work"
    assert survey.main([str(tmp_path / "clones"), str(work), "--list", str(named)]) == 0
    assert "| ST102 | error | 1 |" in capsys.readouterr().out
    assert 'packages = ["app", "models"]' in (work / "000-digits/pyproject.toml").read_text()
    assert (work / "000-digits/requirements.in").read_text() == "flask==3.0.0\n"
    assert "ST110" in {one["code"] for one in json.loads((work / "000-digits.json").read_text())["findings"]}


def test_the_list_names_each_commit_and_predictor() -> None:
    projects = survey.read()
    assert len(projects) == 110
    assert len({one.repository for one in projects}) == 66
    assert all(len(one.commit) == 12 and ":" in one.predictor for one in projects)
