"""What training wrote, against the folder."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from seatrial.rules.artifacts import manifest
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, small_project

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = b"1,2,3\n"


def written(**trained_with: str) -> dict[str, str | bytes]:
    files = {"weights.csv": hashlib.sha256(WEIGHTS).hexdigest()}
    content = {"format": 1, "files": files, "trained_with": trained_with}
    return {"artifacts/weights.csv": WEIGHTS, "artifacts/manifest.json": json.dumps(content)}


@pytest.mark.parametrize("twin", twins_of(manifest), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_artifacts_as_the_manifest_lists_them_are_no_finding(tmp_path: Path) -> None:
    assert findings(small_project(tmp_path, written(python="3.11.7"))) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"artifacts/weights.csv": b"4\n"}, "artifacts/weights.csv was changed after training wrote it"),
        ({"artifacts/more.csv": b"4\n"}, "artifacts/more.csv is not listed in the manifest"),
    ],
)
def test_artifacts_that_training_did_not_write_are_found(
    tmp_path: Path, change: dict[str, bytes], message: str
) -> None:
    (found,) = findings(small_project(tmp_path, {**written(), **change}))
    assert (found.code, found.message) == ("ST306", message)


def test_a_lost_artifact_is_found(tmp_path: Path) -> None:
    project = small_project(tmp_path, written())
    (tmp_path / "artifacts/weights.csv").unlink()
    assert [f.message for f in findings(project)] == [
        "artifacts/weights.csv is listed in the manifest, but is not there"
    ]


def test_a_manifest_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, {"artifacts/manifest.json": "{"}))
    assert (found.code, str(found.location)) == ("ST306", "artifacts/manifest.json")
