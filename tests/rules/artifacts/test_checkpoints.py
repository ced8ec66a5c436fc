"""Checkpoints in the artifacts, judged by their bytes before anything loads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.artifacts import checkpoints
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project

FILES = Path(__file__).parents[2] / "facts" / "checkpoints"


TORCH = locked("torch==2.0.0")


def checkpoint(name: str) -> dict[str, str | bytes]:
    return {"artifacts/weights.pt": (FILES / name).read_bytes(), **TORCH}


@pytest.mark.parametrize("twin", twins_of(checkpoints), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize("name", ["state_dict.pt", "legacy.pt", "script.pt"])
def test_a_checkpoint_without_own_classes_is_no_finding(tmp_path: Path, name: str) -> None:
    assert findings(small_project(tmp_path, checkpoint(name))) == []


def test_a_class_of_main_is_found_at_its_definition(tmp_path: Path) -> None:
    files = {**checkpoint("whole_model.pt"), "training/train.py": "import torch\n\nclass Labelled:\n    pass\n"}
    (found,) = findings(small_project(tmp_path, files))
    assert (found.code, str(found.location)) == ("ST301", "training/train.py:3:7")
    assert "`Labelled` that was defined in `__main__`" in found.message


def test_a_class_of_main_that_is_nowhere_is_found_at_the_file(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, checkpoint("legacy_labelled.pt")))
    assert (found.code, str(found.location)) == ("ST301", "artifacts/weights.pt")


def test_a_pickle_of_a_distribution_that_is_not_locked_is_found(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"artifacts/t.pkl": b"\x80\x02cskimage.color\nrgb2gray\nq\x00."}
    (found,) = findings(small_project(tmp_path, files))
    assert (found.code, found.subject) == ("ST302", "skimage.color")
    assert "add the line `scikit-image` to requirements.in" in found.fix
    (found,) = findings(small_project(tmp_path, {**files, **locked("scikit-image==0.25.0")}))
    assert (found.code, found.severity) == ("ST803", "warning")  # it is there, and nothing is known of it


def test_a_pickle_of_a_module_that_ships_is_no_finding_and_of_one_that_is_left_out_is(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "artifacts/t.pkl": b"\x80\x02cextra.own\nOwn\nq\x00.",
        "extra/own.py": "class Own: ...\n",
    }
    (found,) = findings(small_project(tmp_path, files))
    assert (found.code, str(found.location)) == ("ST302", "artifacts/t.pkl")
    assert found.cause == "extra/own.py does not ship: `packages` does not name it"
    assert findings(small_project(tmp_path, files, packages=["predictor", "extra"])) == []


@pytest.mark.parametrize(
    ("content", "what", "fix"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer (43 bytes)", "git lfs pull"),
        (b"<!DOCTYPE html>", "an HTML or XML page (15 bytes)", "download the file again"),
        (b"", "an empty file (0 bytes)", "copy the file again"),
        (b"PK\x03\x04 cut off", "a truncated zip archive (12 bytes)", "copy the file again"),
    ],
)
def test_weights_that_are_no_checkpoint_are_named(tmp_path: Path, content: bytes, what: str, fix: str) -> None:
    (found,) = findings(small_project(tmp_path, {"artifacts/weights.pt": content}))
    assert (found.code, found.message) == ("ST303", f"artifacts/weights.pt is {what}")
    assert fix in found.fix


def test_weights_of_an_unknown_kind_are_a_warning_and_other_files_are_left_alone(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"artifacts/weights.pt": b"own", "artifacts/table.bin": b"own"})
    assert [(f.code, f.severity) for f in findings(project)] == [("ST303", "warning")]


@pytest.mark.parametrize("name", ["weights.pth", "model.joblib", "transform.pkl"])
def test_a_pickle_that_is_cut_off_is_an_error(tmp_path: Path, name: str) -> None:
    (found,) = findings(small_project(tmp_path, {f"artifacts/{name}": b"\x80\x02]q\x00"}))
    assert (found.code, found.severity, str(found.location)) == ("ST309", "error", f"artifacts/{name}")


def test_a_file_that_only_begins_like_a_pickle_is_no_finding(tmp_path: Path) -> None:
    assert findings(small_project(tmp_path, {"artifacts/table.bin": b"\x80\x02]q\x00"})) == []
