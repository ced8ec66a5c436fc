"""Names that the locked versions do not have: the edit that mends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.findings import Severity
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


@pytest.mark.parametrize(
    ("imports", "line"),
    [
        ("from PIL import Image", "Image.open('a').resize((8, 8), Image.ANTIALIAS)"),
        ("from torchvision import transforms", "transforms.Scale(8)"),
        ("from torchvision import transforms", "transforms.RandomAffine(20, fillcolor=0)"),
        ("from torchvision.transforms import v2", "v2.ToImageTensor()"),
        ("import torchvision", "torchvision.io.read_video('a')"),
    ],
)
def test_a_name_in_a_branch_that_serving_may_not_enter_is_a_warning(tmp_path: Path, imports: str, line: str) -> None:
    """The phase of training has its own transforms in many a function that serving calls for its others."""
    locks = locked("pillow==11.3.0", "torchvision==0.29.1")
    always = f"{imports}\n\n\nclass P:\n    def load(self, phase):\n        self.made = {line}\n"
    branch = always.replace("        self.made", "        if phase == 'train':\n            self.made")
    (told,) = findings(small_project(tmp_path / "always", {"predictor.py": always, **locks}), "ST41")
    (doubted,) = findings(small_project(tmp_path / "branch", {"predictor.py": branch, **locks}), "ST41")
    assert (told.severity, doubted.severity) == (Severity.ERROR, Severity.WARNING)
    assert (told.message, told.fix) == (doubted.message, doubted.fix)
    assert doubted.cause == "it is inside an `if` that serving may never enter"
