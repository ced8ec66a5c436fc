"""The golden file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.project import load
from seatrial.rules.transforms import golden
from tests.projects.base import Twin
from tests.rules.judging import Judge, seen_by_running, twins_of
from tests.small_project import findings, small_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("twin", twins_of(golden), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST401", "ST402", "ST403"} == seen_by_running(golden)


def test_a_default_of_cuda_is_judged_only_where_an_accelerator_serves(tmp_path: Path) -> None:
    close = {"artifacts/golden/golden.json": '[{"instance": 0, "scores": [0.5, 0.49]}]'}
    assert findings(small_project(tmp_path, close), "ST405") == []
    file = tmp_path / "pyproject.toml"
    gpu = 'machine-type = "g2-standard-4"\naccelerator-type = "NVIDIA_L4"\n'
    file.write_text(f"{file.read_text()}[tool.seatrial.vertex]\n{gpu}")
    (found,) = findings(load(tmp_path), "ST405")
    assert found.message.startswith("`smoke.tolerance-cuda` is 0.01, which hides another answer for 1 of 1 golden")


@pytest.mark.parametrize(
    ("right", "asked", "reported", "found"),
    [(0, 0, 0.9, 0), (0, 9, 0.0, 0), (9, 12, 1.0, 1), (10, 12, 1.0, 0), (2990, 3000, 0.99, 0), (1500, 3000, 0.6, 1)],
)
def test_so_few_right_answers_are_found_if_a_model_would_hardly_ever_give_them(
    right: int, asked: int, reported: float, found: int
) -> None:
    assert len(list(golden.less_accurate(right, asked, reported))) == found


def test_a_golden_file_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, {"artifacts/golden/golden.json": "{}"}))
    assert (found.code, str(found.location)) == ("ST404", "artifacts/golden/golden.json")
