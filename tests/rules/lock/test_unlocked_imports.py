"""Imports that no requirement provides: which are found, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.rules.lock import unlocked_imports
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

SPELLINGS = ["import {0}.b as c\n", "from {0} import b\n", "def call():\n    import {0}.b\ncall()\n"]


PLACES = ["predictor.py:1:8", "predictor.py:1:1", "predictor.py:2:12"]


CLASS = "class P:\n    pass\n"


@pytest.mark.parametrize("twin", twins_of(unlocked_imports), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(("spelling", "place"), list(zip(SPELLINGS, PLACES, strict=True)))
def test_an_import_that_no_requirement_provides_is_found_in_every_spelling(
    tmp_path: Path, spelling: str, place: str
) -> None:
    project = small_project(
        tmp_path, {"predictor.py": spelling.format("torchvision") + CLASS, **locked("torch==2.5.1")}
    )
    (found,) = findings(project, "ST110")
    assert str(found.location) == place
    assert found.message == "`torchvision` is imported, but no requirement provides it"
    assert "add the line `torchvision==0.20.1` to requirements.in" in found.fix


def test_a_distribution_that_is_missed_twice_is_one_finding(tmp_path: Path) -> None:
    files = {"predictor/__init__.py": "import cv2\nfrom . import b\n" + CLASS, "predictor/b.py": "import cv2\n"}
    (found,) = findings(small_project(tmp_path, files))
    assert found.subject == "opencv-python-headless"
    assert found.evidence == ("imported at predictor/b.py:1:8 too",)


def test_beside_a_requirement_without_a_name_a_missing_distribution_is_only_a_warning(tmp_path: Path) -> None:
    files = {"predictor.py": "import ours\n" + CLASS, "requirements.in": "./wheels/ours.whl\n"}
    (found,) = findings(small_project(tmp_path, files), "ST110")
    assert found.severity == "warning"


def test_an_import_in_a_function_that_serving_never_mentions_is_no_finding(tmp_path: Path) -> None:
    text = CLASS + "def to_onnx():\n    import onnx\n    import extra\n"
    assert findings(small_project(tmp_path, {"predictor.py": text, "extra.py": ""})) == []


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.in": "torchvision\n", "requirements.txt": "torchvision\n"},
        {"requirements.in": "torchvision==0.21.0\n", "requirements.txt": "torchvision==0.21.0\n"},
        {**locked("torchvision==0.21.0"), "requirements.in": "torchvision\nflask\n"},
    ],
)
def test_beside_a_lock_that_is_not_complete_a_missing_distribution_is_only_a_warning(
    tmp_path: Path, files: dict[str, str | bytes]
) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": "import PIL\n" + CLASS, **files}), "ST110")
    assert found.severity == "warning"
    assert "what the requirements depend on is unknown" in found.cause


def test_a_project_without_any_requirements_is_told_so_once(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": "import torch\nimport torchvision\n\n\nclass P: ...\n"})
    for name in ("requirements.in", "requirements.txt"):
        (tmp_path / name).unlink()
    assert {finding.code for finding in findings(project)} == {"ST101"}


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("import ee\n", "warning"),  # which is what earthengine-api installs
        ("import earthengine_api, ee\n", "error"),
        ("import tensorflow\n", "error"),
    ],
)
def test_a_requirement_that_is_not_imported_by_its_name_may_provide_an_unknown_module(
    tmp_path: Path, text: str, severity: str
) -> None:
    files = {"predictor.py": text + CLASS, **locked("earthengine-api==1.6.0", "torch==2.8.0")}
    (found,) = findings(small_project(tmp_path, files), "ST110")
    assert found.severity == severity


@pytest.mark.parametrize("module", ["artifactregistry", "artifactregistry_v1", "artifactregistry_v1beta2"])
def test_a_version_of_an_api_comes_from_the_distribution_of_the_api(tmp_path: Path, module: str) -> None:
    text = f"from google.cloud import {module}\n" + CLASS
    files = {"predictor.py": text, **locked("google-cloud-artifact-registry==1.16.0")}
    assert findings(small_project(tmp_path, files), "ST110") == []
