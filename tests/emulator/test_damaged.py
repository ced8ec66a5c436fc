"""An emulator whose state is damaged starts anew where nothing is lost, and else says in a sentence what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.emulator.server import Emulator, Options
from seatrial.errors import EnvironmentFaultError

Damage = Callable[[Path], object]


def _emptied(place: Path) -> None:
    _removed(place)
    place.write_bytes(b"")


def _cut(place: Path) -> None:
    content = b"" if place.is_dir() else place.read_bytes()
    _removed(place)
    place.write_bytes(content[: len(content) // 2])


def _foreign(place: Path) -> None:
    _removed(place)
    place.write_bytes(b"\xff\0 something else")


def _other_type(place: Path) -> None:
    _removed(place)
    place.write_text('{"buckets": [1], "version": 99}')


def _turned(place: Path) -> None:
    was_folder = place.is_dir()
    _removed(place)
    (place.touch if was_folder else place.mkdir)()


def _circle(place: Path) -> None:
    _removed(place)
    place.symlink_to(place.name)


def _removed(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()


DAMAGES = [_emptied, _cut, _foreign, _other_type, _turned, _circle]


def started(state: Path) -> str:
    """Start an emulator on a state and stop it; return what it says instead of starting."""
    emulator = Emulator(Options(state))
    try:
        emulator.start()
    except EnvironmentFaultError as error:
        return f"{error.message}\n{error.fix}"
    finally:
        emulator.stop()
    return ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state that an emulator leaves."""
    state = tmp_path_factory.mktemp("emulator") / "state"
    assert started(state) == ""
    (state / "running/notes").touch()  # no number of a process
    assert "cannot be used" in started(state)
    (state / "running/notes").unlink()
    return state


@pytest.mark.proof
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_every_part_of_a_state_may_be_damaged(whole: Path, tmp_path: Path, damage: Damage) -> None:
    parts = [part.relative_to(whole) for part in sorted(whole.rglob("*"))]
    assert {"lock", "running", "state.db", "logs", "storage"} <= {str(part) for part in parts}
    for number, part in enumerate(parts):
        state = tmp_path / str(number)
        shutil.copytree(whole, state)
        damage(state / part)
        said = started(state)
        assert not said or (str(state) in said and "remove" in said), part
        assert "Traceback" not in said


@pytest.mark.parametrize("part", ["running", "storage", "state.db"])
def test_a_damaged_part_is_named_with_what_to_remove(whole: Path, tmp_path: Path, part: str) -> None:
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    _turned(state / part)
    said = started(state)
    assert str(state / part) in said
    assert "Traceback" not in said
