"""A bucket of the test's own, and a project whose artifacts are in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.bucket_server import Content, running

URI = "gs://bucket/m/v1"


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> Iterator[Content]:
    """Serve a bucket, as the emulator that a variable names."""
    with running(Content()) as served:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", served.host)
        yield served


@pytest.fixture
def halves(copied: Callable[[str], Path], content: Content, own_cache: Path) -> Path:
    """Return a project without torch, and with its artifacts moved into the bucket."""
    root = copied("tests/projects/packaged-transform")
    for file in sorted((root / "artifacts").rglob("*")):
        if file.is_file():
            content.objects[f"m/v1/{file.relative_to(root / 'artifacts').as_posix()}"] = file.read_bytes()
    (root / "artifacts").rename(root.parent / "artifacts-of-git")
    settings = root / "pyproject.toml"
    settings.write_text(settings.read_text().replace("[tool.seatrial]\n", f'[tool.seatrial]\nartifacts = "{URI}/"\n'))
    return root
