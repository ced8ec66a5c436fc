"""What the tests of the workflows share: the called repository, and callers beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import ROOT
from tests.workflows.acting import Caller, repository
from tests.workflows.adapted import adapted, copy

SMALL = ROOT / "tests/projects/packaged-transform"
Make = Callable[..., Caller]


@pytest.fixture(scope="session")
def tool(shared_cache: Path) -> Path:
    """Return the copy of this repository that callers call, made once a run."""
    made = shared_cache / "tool"
    shared_cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{made}.lock", timeout=300):
        return made if made.is_dir() else copy(made)


@pytest.fixture
def caller(tool: Path, tmp_path: Path) -> Make:
    """Make a repository with the small predictor and a workflow, or this repository's own main.yml."""

    def make(text: str = "", *, project: Path = SMALL, folder: str = ".", **variables: str) -> Caller:
        name = "ci.yml" if text else "main.yml"
        text = text or adapted((ROOT / ".github/workflows/main.yml").read_text(encoding="utf-8"))
        root = repository(tmp_path / "caller", {name: text}, project, folder)
        return Caller(root, tool, tmp_path / "act", variables)

    return make
