"""Configuration: a repository without [tool.seatrial] is judged by what answers requests in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import UsageError
from seatrial.facts.repository.served import answering
from seatrial.project import load
from seatrial.rules.source import configuration
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project

APP = """\
from fastapi import FastAPI

from shared.pictures import opened

app = FastAPI()


@app.post("/predict")
def predict(body: dict):
    return opened(body)
"""
BATCHED = """\
class Fish:
    def load(self, artifacts_uri): ...

    def preprocess(self, image): ...

    def predict(self, batch): ...
"""


@pytest.mark.parametrize("twin", twins_of(configuration), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def repository(folder: Path, files: dict[str, str]) -> Path:
    """Write files, with a lock, and without a configuration."""
    root = small_project(folder, {**locked("fastapi==0.115.0"), **files}).root
    (root / "pyproject.toml").unlink()
    return root


@pytest.mark.parametrize("pyproject", [None, '[project]\nname = "fish"\n'])
def test_an_application_is_taken_with_all_that_it_imports_of_the_repository(
    tmp_path: Path, pyproject: str | None
) -> None:
    shared = {"shared/pictures.py": "from sizes import *\n\n\ndef opened(body): ...\n", "sizes.py": "WIDTH = 8\n"}
    files = {"serving/app.py": APP, **shared, "tests/test_app.py": APP}
    root = repository(tmp_path / "fish", files)
    if pyproject:
        (root / "pyproject.toml").write_text(pyproject)
    project = load(root, unwritten=answering)
    assert (project.predictor, project.packages) == ("serving.app:app", ("serving", "shared", "sizes"))
    found = {finding.code: finding for finding in findings(project)}
    assert sorted(found) == ["ST208", "ST507"]
    assert "the check took `serving.app:app`" in found["ST208"].message
    assert 'predictor = "serving.app:app"' in found["ST208"].fix


def test_a_class_that_can_be_served_as_it_is_comes_first(tmp_path: Path) -> None:
    root = repository(tmp_path, {"app.py": APP, "shared/pictures.py": "", "serving/fish.py": BATCHED})
    assert load(root, unwritten=answering).predictor == "serving.fish:Fish"


def test_a_project_that_says_what_serves_is_taken_at_its_word(tmp_path: Path) -> None:
    files = {**locked("fastapi==0.115.0"), "app.py": APP, "shared/pictures.py": "", "predictor.py": BATCHED}
    project = small_project(tmp_path, files, predictor="predictor:Fish")
    assert load(project.root, unwritten=answering) == project
    assert not findings(project, "ST208")


@pytest.mark.parametrize(
    "files",
    [
        {"training.py": "import torch\n"},
        {"tests/test_app.py": APP},
        {"app.py": "not Python"},
        {"serving/app.py": f"from pictures import opened\n{APP}", "serving/pictures.py": ""},  # started in its folder
        {"ts/__init__.py": "", "ts/loader.py": "from ts.base import Base\n\n\nclass Loader(Base): ...\n"},  # the server
    ],
)
def test_where_nothing_answers_the_missing_table_is_the_error(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"no pyproject\.toml"):
        load(repository(tmp_path, files), unwritten=answering)


def test_a_folder_that_is_no_project_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert answering(tmp_path) == {}
