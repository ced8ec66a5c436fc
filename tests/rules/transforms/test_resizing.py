"""Resizing on two sides of a new default: which is named, and the edit that keeps training's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seatrial.rules.transforms import resizing
from tests.projects.base import PINS, Twin, made
from tests.projects.code import OLD
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects.base import Files


def resized(trained: str, steps: str) -> Files:
    """Return a project whose manifest says that training used another torchvision than the lock's 0.23."""
    manifest = {"format": 1, "files": {}, "trained_with": {**PINS, "torchvision": trained}}
    text = f"from torchvision import transforms as t\n\n\ndef transform():\n    return t.Compose([{steps}])\n"
    return {"predictor/transforms.py": text, "artifacts/manifest.json": json.dumps(manifest)}


@pytest.mark.parametrize("twin", twins_of(resizing), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("trained", "steps", "count"),
    [
        ("0.16.2", "t.ToTensor(), t.Resize((8, 8))", 1),
        ("0.16.2+cpu", "t.Resize((8, 8))", 1),
        ("0.16.2", "t.Resize((8, 8)), t.ToTensor()", 0),
        ("0.16.2", "t.ToTensor(), t.Resize((8, 8), antialias=False)", 0),
        ("0.17.0", "t.ToTensor(), t.Resize((8, 8))", 0),
    ],
)
def test_versions_on_two_sides_of_the_new_default_are_named(
    tmp_path: Path, trained: str, steps: str, count: int
) -> None:
    found = findings(made(tmp_path, resized(trained, steps)), "ST410")
    assert len(found) == count
    assert all(trained.split("+")[0] in finding.message for finding in found)
    assert [edit.text for finding in found for edit in finding.edits] == [", antialias=False"] * count


def test_what_training_did_is_written_after_the_last_argument(tmp_path: Path) -> None:
    text = "from torchvision import transforms as t\n\nx = t.Compose([t.ToTensor(), t.Resize(\n    8,\n)])\n"
    files = {**locked("torchvision==0.15.2", "torch==2.0.1"), "predictor.py": text}
    manifest = {"format": 1, "files": {}, "trained_with": {"torchvision": "0.17.0"}}
    unknown = small_project(tmp_path / "a", files)
    known = small_project(tmp_path / "b", {**files, "artifacts/manifest.json": json.dumps(manifest)})
    assert [finding.edits for finding in findings(unknown, "ST410")] == [()]
    ((edit,),) = (finding.edits for finding in findings(known, "ST410"))
    assert (edit.line, edit.column, edit.end_column, edit.text) == (4, 6, 6, ", antialias=True")


def test_training_and_serving_that_agree_are_left_alone(tmp_path: Path) -> None:
    files = {**OLD, **resized("0.15.2", "t.ToTensor(), t.Resize((8, 8))")}
    assert findings(made(tmp_path, files), "ST410") == []
