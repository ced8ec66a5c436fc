"""Names that the locked versions do not have: the edit that mends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.rules.transforms import removed_names
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("twin", twins_of(removed_names), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("from PIL import Image\nx = Image.ANTIALIAS\n", "from PIL import Image\nx = Image.Resampling.LANCZOS\n"),
        ("import PIL.Image\nx = PIL.Image.CUBIC\n", "import PIL.Image\nx = PIL.Image.Resampling.BICUBIC\n"),
        (
            "import torchvision.transforms as T\né = T.Scale(8)\n",
            "import torchvision.transforms as T\né = T.Resize(8)\n",
        ),
    ],
)
def test_a_name_that_is_gone_is_mended_in_its_place(tmp_path: Path, text: str, fixed: str) -> None:
    project = small_project(tmp_path, {"predictor.py": text, **locked("pillow==11.3.0", "torchvision==0.23.0")})
    (edit,) = (edit for finding in findings(project, "ST41") for edit in finding.edits)
    lines = text.splitlines(keepends=True)
    assert edit.line
    assert edit.column
    assert edit.end_column
    line = lines[edit.line - 1]
    lines[edit.line - 1] = line[: edit.column - 1] + edit.text + line[edit.end_column - 1 :]
    assert "".join(lines) == fixed
