"""The predictor's methods: the pairs of projects, and every way to take what the server gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.source import methods
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, small_project

REST = "    def preprocess(self, image): ...\n    def predict(self, batch): ...\n"


@pytest.mark.parametrize("twin", twins_of(methods), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_methods_that_take_what_the_server_gives_are_no_fault(tmp_path: Path) -> None:
    loads = (
        "def load(self, uri, *, strict=True)",
        "def load(self, *args)",
        "@staticmethod\n    def load(uri)",
        "@classmethod\n    def load(cls, uri)",
        "@unknown\n    async def load(self)",
    )
    text = "".join(f"class P{number}:\n    {load}: ...\n{REST}\n\n" for number, load in enumerate(loads))
    for number, _ in enumerate(loads):
        project = small_project(tmp_path / str(number), {"predictor.py": text}, predictor=f"predictor:P{number}")
        assert findings(project, "ST220") == []


CALLED = "and the server calls load(artifacts_uri)"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (f"    @staticmethod\n    def load(): ...\n{REST}", f"takes no argument, {CALLED}"),
        (f"    def load(self, uri, *, device): ...\n{REST}", f"needs device by name, {CALLED}"),
        (
            "    def from_path(self, model_dir): ...\n    def predict(self, instances, **kwargs): ...\n",
            "is not a class method, and the server calls from_path(model_dir) on the class",
        ),
    ],
)
def test_it_says_why_the_server_cannot_call_it(tmp_path: Path, code: str, message: str) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": f"class P:\n{code}"}), "ST220")
    assert found.message.partition("` ")[2] == message
