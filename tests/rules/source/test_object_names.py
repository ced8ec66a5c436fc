"""Objects that text names: the pairs of projects, and texts that mean something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.findings import Severity
from seatrial.rules.source import object_names
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, small_project

MAKES = "import importlib\n\nimportlib.import_module('json')\n\n\nclass Predictor: ...\n"


@pytest.mark.parametrize("twin", twins_of(object_names), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    "text",
    [
        "_target_: json.JSONEncoder",
        "_target_: builtins.dict",
        "_target_: ${net}",
        "target: training.nets",
        "# _target_: training.nets.Net",
        "_target_: [unclosed",
        "a: &a\n  _target_: predictor.Predictor\n  b: *a",
        "_target_: predictor.Predictor",
    ],
)
def test_what_is_there_or_is_no_name_is_no_fault(tmp_path: Path, text: str) -> None:
    files = {"predictor.py": MAKES, "training/nets.py": "", "artifacts/model.yaml": f"{text}\n"}
    assert findings(small_project(tmp_path, files), "ST223") == []


def test_a_file_that_the_serving_code_cannot_make_objects_of_is_not_judged(tmp_path: Path) -> None:
    files = {
        "predictor.py": "class Predictor: ...\n",
        "training/nets.py": "",
        "artifacts/model.yaml": "_target_: training.nets.Net\n",
    }
    assert findings(small_project(tmp_path, files), "ST223") == []


def test_one_module_is_told_once_a_file_at_its_first_place(tmp_path: Path) -> None:
    text = "a:\n  _target_: training.nets.Net\nb:\n  _target_: training.nets.Net\n"
    files = {"predictor.py": MAKES, "training/nets.py": "", "artifacts/model.yaml": text}
    (found,) = findings(small_project(tmp_path, files), "ST223")
    assert str(found.location) == "artifacts/model.yaml:2:13"
    assert found.cause == "training/nets.py does not ship: `packages` does not name it"


SERVED = {
    "predictor/__init__.py": "from predictor.nets import Net\n\n\nclass P: ...\n",
    "predictor/nets.py": "class Net: ...\n",
}


@pytest.mark.parametrize(
    ("table", "text", "said"),
    [
        ("project.scripts", "predictor.nets:Nett", "`predictor.nets` has no `Nett`"),
        ("project.scripts", "predictor.cli:main", "`predictor` has no `cli`"),
        ("project.gui-scripts", "predictor.nets:main [gui]", "`predictor.nets` has no `main`"),
        ("tool.poetry.scripts", "predictor.nets:main", "`predictor.nets` has no `main`"),
        ('project.entry-points."twin.nets"', "predictor.nets:Nett", "`predictor.nets` has no `Nett`"),
        ("project.scripts", "predictor.nets:Net", ""),
        ("project.scripts", "predictor.nets", ""),
        ("project.scripts", "training.cli:main", ""),  # people call it, where training/ is
        ("project.scripts", "uvicorn.main:main", ""),
        ("project.scripts", "no object", ""),
    ],
)
def test_an_entry_point_that_names_what_a_module_does_not_have_is_told(
    tmp_path: Path, table: str, text: str, said: str
) -> None:
    project = small_project(tmp_path, {**SERVED, "training/cli.py": ""})
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write(f'\n[{table}]\nfish = "{text}"\n')
    found = findings(project, "ST223")
    assert [f.message.partition(", but ")[2] for f in found] == ([said] if said else [])
    assert all(str(f.location) == "pyproject.toml:5" for f in found)
    assert all((f.severity is Severity.NOTE) == ("scripts" in table) for f in found)
