"""The project's own modules: the pairs of projects, and what may be there all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.source import own_modules
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, small_project


@pytest.mark.parametrize("twin", twins_of(own_modules), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("sizes", "line"),
    [
        ("from os import *", "sizes.X"),
        ("def __getattr__(name): ...", "sizes.X"),
        ("", "sizes.X = 1\nsizes.X"),
        ("", "try:\n    sizes.X\nexcept AttributeError:\n    pass"),
        ("", "sizes.__doc__"),
        ("", "sizes = object()\nsizes.X"),
        ("", "from predictor.names import sizes\nsizes.X"),
    ],
)
def test_a_name_that_the_module_may_have_is_no_fault(tmp_path: Path, sizes: str, line: str) -> None:
    code = f"from predictor import sizes\n{line}\n\n\nclass P: ...\n"
    files = {"predictor/__init__.py": code, "predictor/sizes.py": sizes, "predictor/names.py": "sizes = {}"}
    assert findings(small_project(tmp_path, files), "ST221") == []


def test_a_module_that_stands_alone_has_no_package(tmp_path: Path) -> None:
    files = {"predictor.py": "from .sizes import size\n\n\nclass P: ...\n", "sizes.py": ""}
    (found,) = findings(small_project(tmp_path, files), "ST222")
    assert (str(found.location), found.cause) == ("predictor.py:1:1", "predictor.py is in no package")
    assert found.cloud == "ImportError: attempted relative import with no known parent package"
