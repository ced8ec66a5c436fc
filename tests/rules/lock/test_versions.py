"""Versions that the locks and the manifest name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.rules.lock.versions import locked as version_of
from seatrial.rules.lock.versions import trained_with
from tests.small_project import locked, small_project


@pytest.mark.parametrize(("cpu", "version"), [("2.8.0+cpu", "2.8.0"), ("2.7.0+cpu", "None")])
def test_the_locks_name_a_version_where_they_agree(tmp_path: Path, cpu: str, version: str) -> None:
    files = {**locked("torch==2.8.0"), "requirements-cpu.txt": locked(f"torch=={cpu}")["requirements.txt"]}
    assert str(version_of(gather(small_project(tmp_path, files)), "torch")) == version


@pytest.mark.parametrize(("trained", "version"), [("2.5.1+cu124", "2.5.1"), ("nightly", "None")])
def test_the_manifest_names_what_training_used(tmp_path: Path, trained: str, version: str) -> None:
    manifest = json.dumps({"format": 1, "files": {}, "trained_with": {"torch": trained}})
    facts = gather(small_project(tmp_path, {"artifacts/manifest.json": manifest}))
    assert str(trained_with(facts, "torch")) == version
    assert trained_with(facts, "numpy") is None
