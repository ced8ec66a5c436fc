"""Presence: what the predictor loads must be in the artifacts, and in a checkout."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from seatrial.rules.artifacts import presence
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, small_project

if TYPE_CHECKING:
    from pathlib import Path

LOADS = """
import json, os
from pathlib import Path
import torch


class P:
    def load(self, artifacts_uri):
        artifacts = Path(artifacts_uri)
        self.labels = json.loads((artifacts / "labels.json").read_text())
        self.weights = torch.load(os.path.join(artifacts_uri, "model/weights.pt"))
"""


@pytest.mark.parametrize("twin", twins_of(presence), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_each_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": LOADS, "artifacts/labels.json": "[]"})
    [absent] = findings(project, "ST317")
    assert "the predictor loads model/weights.pt from the artifacts" in absent.message
    assert absent.location is not None
    assert absent.location.line == 11
    (tmp_path / "artifacts/model").mkdir()
    (tmp_path / "artifacts/model/weights.pt").write_bytes(b"")
    assert not findings(project, "ST317")


def test_a_folder_that_is_not_there_is_one_finding(tmp_path: Path) -> None:
    [absent] = findings(small_project(tmp_path, {"predictor.py": LOADS}), "ST317")
    assert (
        absent.message == "there is no folder artifacts, and the predictor loads labels.json, model/weights.pt from it"
    )


@pytest.mark.parametrize(
    "body",
    [
        "if artifacts_uri: open(f'{artifacts_uri}/x.json')",
        "download(artifacts_uri); open(f'{artifacts_uri}/x.json')",
        "self.x = os.path.exists(artifacts_uri) and open(f'{artifacts_uri}/x.json')",
        "open(f'{artifacts_uri}/{self.name}.json')",
        "open(f'{artifacts_uri}/log.txt', 'w')",
        "open(self.place + '/x.json')",
        "pass",
    ],
)
def test_what_may_be_elsewhere_is_not_judged(tmp_path: Path, body: str) -> None:
    code = f"import os\nfrom tools import download\n\n\nclass P:\n    def load(self, artifacts_uri):\n        {body}\n"
    assert not findings(small_project(tmp_path, {"predictor.py": code}), "ST317")


def test_what_git_ignores_and_does_not_track_is_told(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"artifacts/a.pt": b"", "artifacts/b.pt": b"", ".gitignore": "*.pt\n"}
    project = small_project(tmp_path, files)
    assert not findings(project, "ST318")  # no repository
    for command in (["init", "-q"], ["add", "-f", "artifacts/a.pt"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, timeout=60)
    [ignored] = findings(project, "ST318")
    assert ignored.message == "git ignores artifacts/b.pt: a checkout has no such file"
    assert "`!/artifacts/b.pt`" in ignored.fix
