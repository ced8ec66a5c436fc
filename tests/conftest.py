"""What all tests share: one cache of environments for the whole run, and projects copied to a temporary place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from seatrial.check.run import OFFLINE

ROOT = Path(__file__).parent.parent
pytest_plugins = ["tests.engines"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that exclude each other: one worker gets the first tests, and no other steals them."""
    items.sort(key=lambda item: "no_other_trial" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep environments in a folder that the parallel workers of this run share, or in one of several runs."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    cache = Path(os.environ.get("SEATRIAL_TESTS_CACHE", cache))
    before = os.environ.get("SEATRIAL_CACHE")
    os.environ["SEATRIAL_CACHE"] = str(cache)
    yield cache
    if before is None:
        del os.environ["SEATRIAL_CACHE"]
    else:
        os.environ["SEATRIAL_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """Keep tests from asking a public package index about the pins that they make up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OFFLINE, "1")
        yield


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty cache of its own: nothing that this machine learnt of a lock decides it."""
    cache = tmp_path / "own-cache"
    monkeypatch.setenv("SEATRIAL_CACHE", str(cache))
    return cache


@pytest.fixture
def no_other_trial(shared_cache: Path) -> Iterator[None]:
    """Keep other workers from trying images: this test would take their containers for its own."""
    with FileLock(f"{shared_cache}-trials.lock"):
        yield


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """Copy a project of this repository, named by its path, into the test's own folder."""

    def copy(path: str) -> Path:
        target = tmp_path / Path(path).name
        shutil.copytree(ROOT / path, target, ignore=shutil.ignore_patterns("__pycache__", "build"))
        return target

    return copy


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Copy this repository's own predictor project, without the tool around it."""
    target = tmp_path / "demo"
    for folder in ("predictor", "artifacts"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("requirements.in", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / file, target)
    return target
