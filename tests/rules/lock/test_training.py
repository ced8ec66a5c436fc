"""What training used, against the lock."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from seatrial.rules.lock import training
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = b"1,2,3\n"


def manifest(**trained_with: str) -> dict[str, str | bytes]:
    files = {"weights.csv": hashlib.sha256(WEIGHTS).hexdigest()}
    content = {"format": 1, "files": files, "trained_with": trained_with}
    return {"artifacts/weights.csv": WEIGHTS, "artifacts/manifest.json": json.dumps(content)}


@pytest.mark.parametrize("twin", twins_of(training), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


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
