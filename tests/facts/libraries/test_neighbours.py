"""Which releases have a name: asked of a real index on this machine, with wheels that are never installed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from seatrial.facts.libraries import kept
from seatrial.facts.libraries.neighbours import Neighbours, releases_with
from seatrial.facts.libraries.published import Published
from tests.local_index import Index, write_wheel

OLD = {
    "kelp/__init__.py": "",
    "kelp/utils.py": "def dry(leaf, *, salt=1):\n    ...\nclass Bed:\n    def plant(self): ...\n",
}
WARNING = {**OLD, "kelp/utils.py": 'def dry(leaf):\n    warn("dry is deprecated, use kelp.air.dry instead")\n'}
NEW = {"kelp/__init__.py": "", "kelp/utils.py": "class Bed:\n    def sow(self): ...\n"}


@pytest.fixture
def releases(served: Index) -> Index:
    """Twelve releases of kelp: the name is gone since 0.9, and with it what Bed could do."""
    for minor in range(12):
        modules = NEW if minor >= 9 else WARNING if minor == 8 else OLD
        write_wheel(served.folder, "kelp", f"0.{minor}", modules=modules)
    write_wheel(served.folder, "kelp", "0.12rc1", modules=OLD)
    return served


def ask(module: str = "kelp.utils", name: str = "dry", near: str = "0.10", parameter: str = "") -> Neighbours:
    return releases_with("kelp", module, name, near=near, asked=Published.of(None), parameter=parameter)


@pytest.mark.parametrize("gives_parts", [True, False])
def test_the_last_release_that_has_a_name_is_found(releases: Index, gives_parts: bool) -> None:
    releases.gives_parts = gives_parts
    found = ask()
    assert (found.here, found.below, found.above) == (False, "0.8", "")
    assert found.advice == "dry is deprecated, use kelp.air.dry instead"


def test_the_first_release_that_has_a_name_is_found(releases: Index) -> None:
    found = ask(name="Bed.sow", near="0.3")
    assert (found.here, found.below, found.above) == (False, "", "0.9")


def test_a_parameter_is_a_question_too(releases: Index) -> None:
    assert ask(name="dry", parameter="salt").below == "0.7"


def test_a_release_that_has_the_name_asks_for_no_other(releases: Index) -> None:
    found = ask(near="0.4")
    assert (found.here, found.versions) == (True, ())
    assert len([path for path in releases.asked if path.endswith(".whl")]) <= 2


def test_what_was_read_once_is_not_asked_again(releases: Index) -> None:
    first = ask()
    releases.asked.clear()
    assert ask() == first
    assert not [path for path in releases.asked if path.endswith(".whl")]


def test_a_release_for_other_machines_proves_that_a_name_was_there_but_is_not_proposed(served: Index) -> None:
    write_wheel(served.folder, "kelp", "0.1", modules=OLD, tag="cp36-cp36m-win_amd64")
    write_wheel(served.folder, "kelp", "0.2", modules=NEW)
    found = ask(near="0.2")
    assert (found.below, found.below_fits, found.versions) == ("0.1", False, ())


def test_offline_nothing_is_asked_and_that_is_said(releases: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_OFFLINE", "1")
    found = ask()
    assert (found.versions, found.undecided) == ((), "the index was not to be asked")
    assert not releases.asked


def test_an_index_that_does_not_answer_is_waited_for_only_as_long_as_was_said(releases: Index) -> None:
    releases.held = "kelp-"
    asked = Published.of(None, seconds=0.5)
    found = releases_with("kelp", "kelp.utils", "dry", near="0.10", asked=asked)
    assert (found.versions, found.undecided) == ((), "timed out")


def test_the_number_of_requests_is_bounded(releases: Index) -> None:
    asked = dataclasses.replace(Published.of(None), requests=2)
    found = releases_with("kelp", "kelp.utils", "dry", near="0.10", asked=asked)
    assert found.undecided == "it would take too many requests"


def test_modules_that_came_in_one_part_of_a_wheel_count_as_one_request(served: Index) -> None:
    parts = {f"kelp/m{number}.py": f"WIDTH_{number} = 1\n" for number in range(30)}
    package = "".join(f"from kelp.m{number} import *\n" for number in range(30))
    modules = {"kelp/__init__.py": package, **parts, "kelp/data.txt": " " * 600_000}
    for version, last in (("0.1", "def dry(): ...\n"), ("0.2", "")):
        write_wheel(served.folder, "kelp", version, modules={**modules, "kelp/m29.py": last})
    served.gives_parts = True
    asked = dataclasses.replace(Published.of(None), requests=10)
    found = releases_with("kelp", "kelp", "dry", near="0.2", asked=asked)
    assert (found.here, found.below, found.undecided) == (False, "0.1", "")
    assert 10 - asked.requests == len(served.asked)


def test_a_distribution_that_no_index_has_is_undecided(served: Index) -> None:
    assert ask().undecided == "the index has no wheel of kelp"


@pytest.mark.parametrize("damage", ["no zip", "cut"])
def test_a_damaged_wheel_is_undecided(releases: Index, tmp_path: Path, damage: str) -> None:
    for wheel in releases.folder.glob("*.whl"):
        wheel.write_bytes(b"no zip" if damage == "no zip" else wheel.read_bytes()[:-30])
    assert ask().undecided


def test_one_thread_keeps_what_was_read_while_another_reads_on(
    releases: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, keep = Published.of(None), kept.keep
    first, *others = asked.releases("kelp")
    asked.library(first)

    def keep_and_read_on(*arguments: object) -> None:
        asked.library(others.pop())  # what the other thread would do here
        keep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "keep", keep_and_read_on)
    before = len(others)
    asked.keep()
    assert len(others) == before - 1
