"""What training recorded, against the lock and the folder."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = b"1,2,3\n"


def manifest(**trained_with: str) -> dict[str, str | bytes]:
    files = {"weights.csv": hashlib.sha256(WEIGHTS).hexdigest()}
    content = {"format": 1, "files": files, "trained_with": trained_with}
    return {"artifacts/weights.csv": WEIGHTS, "artifacts/manifest.json": json.dumps(content)}


@pytest.mark.parametrize(
    ("name", "trained", "locked_version", "severity"),
    [
        ("torch", "2.5.1+cu124", "2.5.1", None),
        ("torch", "2.5.0", "2.5.1", "warning"),
        ("torch", "2.4.1", "2.5.1", "error"),
        ("pillow", "8.4.0", "11.0.0", "error"),
        ("numpy", "1.26.4", "2.1.0", "warning"),
    ],
)
def test_a_version_that_differs_from_trainings_is_found(
    tmp_path: Path, name: str, trained: str, locked_version: str, severity: str | None
) -> None:
    files = {**manifest(**{name: trained}), **locked(f"{name}=={locked_version}")}
    found = findings(small_project(tmp_path, files), "ST130")
    assert [f.severity for f in found] == ([severity] if severity else [])
    if severity:
        assert str(found[0].location) == "requirements.txt:1:1"
        assert found[0].message == f"training used {name} {trained}, the lock has {locked_version}"


def test_another_python_is_a_warning(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, manifest(python="3.12.1")))
    assert (found.code, found.severity) == ("ST130", "warning")
    assert 'python = "3.12"' in found.fix


def test_artifacts_as_the_manifest_lists_them_are_no_finding(tmp_path: Path) -> None:
    assert findings(small_project(tmp_path, manifest(python="3.11.7"))) == []


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
    (found,) = findings(small_project(tmp_path, {**manifest(), **change}))
    assert (found.code, found.message) == ("ST306", message)


def test_a_lost_artifact_is_found(tmp_path: Path) -> None:
    project = small_project(tmp_path, manifest())
    (tmp_path / "artifacts/weights.csv").unlink()
    assert [f.message for f in findings(project)] == [
        "artifacts/weights.csv is listed in the manifest, but is not there"
    ]


def test_a_manifest_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, {"artifacts/manifest.json": "{"}))
    assert (found.code, str(found.location)) == ("ST306", "artifacts/manifest.json")


def test_a_golden_file_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, {"artifacts/golden/golden.json": "{}"}))
    assert (found.code, str(found.location)) == ("ST404", "artifacts/golden/golden.json")
