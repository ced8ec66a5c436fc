"""What a sealed process is shown of this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.environment import interpreter, store
from seatrial.environment.store import Copy
from seatrial.trial.sealing import view
from seatrial.trial.sealing.view import Target
from tests.environment.small_lock import VERSION, kept
from tests.stages import ended

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the seal is Linux's")


@pytest.fixture(scope="module")
def copied_environment(shared_cache: Path) -> Iterator[Copy]:
    with store.copy(kept(ended(interpreter.find(VERSION)).value)) as copy:
        yield copy


def test_it_has_what_slim_images_have_and_the_trials_own_folders(copied_environment: Copy) -> None:
    seen = view.of(copied_environment, "cpu")
    own = str(copied_environment.path)
    assert all(seen.has(path) for path in ("/bin/sh", "/usr/bin/env", "/etc/passwd", "/dev/null", "/proc/self"))
    assert seen.has(str(copied_environment.python.resolve()))
    assert not seen.has(str(Path(__file__)))
    assert [seen.is_writable(f"{own}/{name}/x") for name in ("work", "home", "tmp", "environment", "served")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert seen.is_writable("/tmp/x")  # noqa: S108


def test_a_folder_in_a_shown_one_is_shown_once(copied_environment: Copy) -> None:
    places = [shown.place for shown in view.of(copied_environment, "cpu").shown if shown.place == shown.source]
    system = [place for place in places if not place.startswith(str(copied_environment.path))]
    assert not [(a, b) for a in system for b in system if b.startswith(f"{a}/")]


def test_what_the_base_image_has_besides_is_shown_if_the_project_says_so(copied_environment: Copy) -> None:
    folder = str(Path(__file__).parent)
    assert not view.of(copied_environment, "cpu").has(f"{folder}/test_view.py")
    assert view.of(copied_environment, "cpu", Target((folder,))).has(f"{folder}/test_view.py")


def test_a_python_that_shares_its_folder_is_shown_without_its_neighbours(copied_environment: Copy) -> None:
    found = copied_environment.kept.interpreter
    shared = replace(found, prefix=Path("/usr"))
    copy = replace(copied_environment, kept=replace(copied_environment.kept, interpreter=shared))
    places = {shown.place for shown in view.of(copy, "cpu").shown}
    assert "/usr" not in places
    assert {str(folder) for folder in found.libraries} <= places
