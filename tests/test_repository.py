"""What GitHub needs of the files of this repository, whoever calls its workflows."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workflows.adapted import sources

_SELF = re.compile(r"uses: \$/(\S+)")
_OURS = re.compile(r"(?<![\w./-])(?:\./)?((?:seatrial|tests|locks|docs|\.github)/[\w./-]+\w)")
_MADE = {".git", ".nox", ".venv", "build", "dist", "node_modules", "__pycache__"}  # by sessions, in a tree without git


def tracked() -> Iterator[Path]:
    """Yield the files of the repository: as git lists them, or all of a tree that was downloaded without git."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        yield from (ROOT / name for name in listed.stdout.split("\0") if name)
        return
    for folder, folders, files in os.walk(ROOT):
        yield from (Path(folder, name) for name in [*folders, *files] if name not in _MADE)
        folders[:] = [name for name in folders if name not in _MADE and not Path(folder, name).is_symlink()]


def test_no_symlink_is_tracked() -> None:
    """`uses: $/…` fetches the whole repository, and one dangling link fails every caller: actions/runner#4626."""
    assert [str(file) for file in tracked() if file.is_symlink()] == []


@pytest.mark.parametrize("file", sources(), ids=lambda file: file.name)
def test_what_a_workflow_uses_of_this_repository_is_there(file: Path) -> None:
    files = set(tracked())
    for path in _SELF.findall(file.read_text(encoding="utf-8")):
        assert {ROOT / path, ROOT / path / "action.yml"} & files, path


@pytest.mark.parametrize("file", sources(), ids=lambda file: file.name)
def test_what_a_workflow_names_of_this_repository_is_there(file: Path) -> None:
    text = re.sub(r"seatrial/seatrial/\S+|\$\w+/\S+|temp }}/\S+", "", file.read_text(encoding="utf-8"))
    for path in _OURS.findall(text):
        assert (ROOT / path).exists(), path
