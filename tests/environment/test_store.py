"""Kept environments: copied apart, bounded in number, and made again if they are damaged."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.environment import install, store
from seatrial.environment.interpreter import Interpreter
from seatrial.environment.store import Kept
from seatrial.errors import EnvironmentFaultError
from tests.environment.small_lock import kept
from tests.stages import ended


def test_a_copy_has_folders_of_its_own_and_shares_the_bytes(own_cache: Path, python: Interpreter) -> None:
    made = kept(python)
    with store.copy(made) as copy:
        (record,) = (copy.path / "environment").glob("lib/*/site-packages/h11-*/RECORD")
        original = made.path / record.relative_to(copy.path)
        assert record.stat().st_ino == original.stat().st_ino
        (record.parent / "new-file").touch()
        assert not (original.parent / "new-file").exists()
        place = copy.path
    assert not place.exists()


def test_where_links_fail_the_copy_is_full_and_announced(
    own_cache: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kept(python)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert any("no hard links" in step for step in ended(store.announce_full_copy(made)).steps)
    with store.copy(made) as copy:
        (record,) = (copy.path / "environment").glob("lib/*/site-packages/h11-*/RECORD")
        assert record.stat().st_ino != (made.path / record.relative_to(copy.path)).stat().st_ino
        assert store.snapshot_of(copy.path / "environment") == store.snapshot_of(made.path / "environment")


def test_a_hollow_copy_gets_a_package_when_it_is_needed(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    made = kept(python)
    wheel = tmp_path / "more-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("h11/more.py", "")
        archive.writestr("more-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: more\nVersion: 1\n")
        archive.writestr("more-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("more-1.dist-info/RECORD", "")
    with store.copy(made, hollow=True) as copy:
        site = store.site_packages(copy.path)
        assert not any((site / "click").iterdir())
        assert (site / "click", store.site_packages(made.path) / "click") in list(copy.hollow())
        install.install_wheels(copy, [wheel])
        assert {"more.py", "_abnf.py"} <= {file.name for file in (site / "h11").iterdir()}
        assert "h11" not in [place.name for place, _ in copy.hollow()]
        copy.fill()
        assert (site / "click/core.py").is_file()
        assert not list(copy.hollow())
    assert store.changed_files(made) == []


def test_what_a_hollow_copy_shows_stays_until_it_ends(
    own_cache: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_AT_MOST", 1)
    used = kept(python, "used")
    with store.copy(used, hollow=True) as copy:
        _, source = next(copy.hollow())
        folder = os.open(source, os.O_RDONLY)  # as a mount holds it
        kept(python, "newer")
        assert used.snapshot.is_file()  # it is not the least used one of those that nobody uses
        add_bytecode(used)
        kept(python, "used")
        assert os.listdir(folder)  # noqa: PTH208 - another trial found it damaged and made it again
        os.close(folder)
    kept(python, "newest")
    assert {path.name for path in own_cache.glob(".*-*")} == set()
    assert len(list(own_cache.glob("*/snapshot.json"))) == 1


def test_a_hollow_copy_whose_environment_was_removed_is_not_filled(own_cache: Path, python: Interpreter) -> None:
    made = kept(python)
    with store.copy(made, hollow=True) as copy:
        store.remove(made.path)
        with pytest.raises(EnvironmentFaultError, match="another run removed the environment"):
            copy.fill()


def test_the_least_used_environments_go_first(
    own_cache: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_AT_MOST", 3)
    made = [kept(python, f"lock {n}") for n in range(store.KEPT_AT_MOST)]
    kept(python, "lock 0")  # used again
    kept(python, "one more")
    assert made[0].path.exists()
    assert not made[1].path.exists()
    assert len(list(own_cache.glob("*/snapshot.json"))) == store.KEPT_AT_MOST


@pytest.fixture(scope="module")
def own_uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let uv download into a folder of these tests: what is damaged here is a link into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv-cache")))
        yield


def spoil_the_snapshot(made: Kept) -> None:
    made.snapshot.write_text('{"bin/python": [')


def spoil_bytecode(made: Kept) -> None:
    file = next(made.path.rglob("h11/__pycache__/*.pyc"))
    file.write_bytes(file.read_bytes() + b"\0")


def add_bytecode(made: Kept) -> None:
    next(made.path.rglob("h11/__pycache__")).joinpath("added.pyc").write_bytes(b"\0")


def spoil_a_record(made: Kept) -> None:
    next(made.path.rglob("h11-*/RECORD")).write_bytes(b'"\xff\0')


def remove_everything(made: Kept) -> None:
    shutil.rmtree(made.path / "environment")


def remove_the_python(made: Kept) -> None:
    (made.path / "environment/bin/python").unlink()


@pytest.mark.usefixtures("own_uv_cache")
@pytest.mark.parametrize(
    "damage",
    [spoil_the_snapshot, spoil_bytecode, add_bytecode, spoil_a_record, remove_everything, remove_the_python],
)
def test_a_damaged_environment_is_made_again(
    own_cache: Path, python: Interpreter, damage: Callable[[Kept], None]
) -> None:
    made = kept(python)
    sound = store.snapshot_of(made.path / "environment").keys()
    damage(made)
    again = kept(python)
    assert store.snapshot_of(again.path / "environment").keys() == sound
    assert store.changed_files(again) == []
