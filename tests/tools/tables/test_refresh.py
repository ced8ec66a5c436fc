"""The command that makes the tables of published wheels, against an index that has wheels of a few lines."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.facts.packages.test_index import Answers, answering, published
from tools.tables import refresh, releases, weights_only

NAME = "class_changes.json"
LINEAR = """\
class Module:
    def __init__(self):
        self.kept = 1
        {line}

    def forward(self, x):
        return self.kept, self.later
"""
SOURCES = {
    ("torch", "1.7.0"): {"torch/nn/modules/linear.py": "class Withdrawn: pass"},
    ("torch", "1.7.1"): {"torch/nn/modules/linear.py": LINEAR.format(line="pass"), "torch/nn/modules/gone.py": ""},
    ("torch", "2.0.0"): {"torch/nn/modules/linear.py": LINEAR.format(line="self.later = 1"), "torch/other.py": "("},
    ("torchvision", "0.5.0"): {"torchvision/ops.py": "class Old: pass", "torchvision/datasets/x.py": "("},
    ("torchvision", "0.15.0"): {"torchvision/ops.py": "class New: pass"},
}
MADE = {
    "torch": {
        "first": "1.7",
        "last": "2.0",
        "modules": {"torch.nn.modules.gone": [None, "2.0"]},
        "classes": {},
        "attributes": {"torch.nn.modules.linear.Module": {"later": ["2.0", None]}},
    },
    "torchvision": {
        "first": "0.5",
        "last": "0.15",
        "modules": {},
        "classes": {"torchvision.ops.New": ["0.15", None], "torchvision.ops.Old": [None, "0.15"]},
        "attributes": {},
    },
}


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The folder of a table that was read long ago, beside an index with the wheels of SOURCES."""
    former = {"source": "wheels", "read_on": "2020-01-01", "torch": {"first": "1.7"}}
    (tmp_path / NAME).write_text(refresh.spelled(former), encoding="utf-8")
    return tmp_path


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    with answering() as answers:
        monkeypatch.setattr(releases, "default_index", lambda: f"{answers.url}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        answers.gives_parts = True
        for name in ("torch", "torchvision"):
            wheels = {
                f"{n}-{v}-cp38-cp38-manylinux1_x86_64.whl": files for (n, v), files in SOURCES.items() if n == name
            }
            answers.json(name, *(published(wheel) for wheel in wheels))
            for wheel, files in wheels.items():
                answers.by_path[f"/files/{wheel}"] = (200, {}, zipped(files))
        yield answers


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return content.getvalue()


def run(monkeypatch: pytest.MonkeyPatch, tables: Path, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tables", "--only", NAME, "--folder", str(tables), *arguments])
    return refresh.main()


def test_without_write_the_difference_is_shown_and_the_table_stays(
    web: Answers, tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tables / NAME).read_bytes()
    assert run(monkeypatch, tables) == 1
    shown = capsys.readouterr()
    assert '+    "attributes": {"torch.nn.modules.linear.Module": {"later": ["2.0", null]}}' in shown.out
    assert "reading torch-1.7.1-cp38-cp38-manylinux1_x86_64.whl" in shown.err
    assert "torch-1.7.0" not in shown.err
    assert (tables / NAME).read_bytes() == before


def test_with_write_the_table_is_that_of_the_last_release_of_each_minor_version(
    web: Answers, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, tables, "--write") == 0
    made = json.loads((tables / NAME).read_text(encoding="utf-8"))
    assert {name: made[name] for name in MADE} == MADE
    assert [file.name for file in tables.iterdir()] == [NAME]
    assert run(monkeypatch, tables) == 0


def test_a_table_that_cannot_be_made_stays_as_it_is(
    web: Answers, tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tables / NAME).read_bytes()
    web.gives_parts = False
    assert run(monkeypatch, tables, "--write") == 2
    assert f"{NAME} stays as it is: the server sends no parts of a file" in capsys.readouterr().err
    assert (tables / NAME).read_bytes() == before


def test_a_torch_that_the_table_has_is_not_asked_again(web: Answers) -> None:
    wheels = [f"torch-2.{minor}.0-cp311-cp311-manylinux_2_28_x86_64.whl" for minor in (6, 7, 8)]
    web.json("torch", *map(published, wheels))
    allowed = {"torch.Size": [None, None], "torch.int1": ["2.7", None], "torch.old": [None, "2.8"]}
    former = {"source": "wheels", "first": "2.6", "last": "2.8", "allowed": allowed}
    made = weights_only.made(former)
    assert {**made, "source": "wheels"} == former
    assert [path for path, _ in web.asked] == ["/simple/torch/"]
