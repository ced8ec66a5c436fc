"""Environments: which Python, made once, copied apart, shared by parallel runs, bounded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seatrial.environment import install as environment
from seatrial.environment import interpreter
from seatrial.environment import store as kept_environments
from seatrial.environment.install import Lock
from seatrial.environment.interpreter import Interpreter
from seatrial.environment.store import Kept
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.packages import requirements
from seatrial.system.cache import cache_dir
from tests.conftest import ROOT
from tests.stages import ended

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNTIME = ROOT / "seatrial/serving"


@pytest.fixture
def python() -> Interpreter:
    return ended(interpreter.find(VERSION)).value


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "own-cache"
    monkeypatch.setenv("SEATRIAL_CACHE", str(cache))
    return cache


def small_lock(comment: str = "") -> Lock:
    """Give the runtime's own lock, three small distributions, as a lock to install; a comment makes it another."""
    text = (RUNTIME / "requirements.txt").read_text() + f"# {comment}\n"
    names = frozenset(e.name for e in requirements.read(RUNTIME / "requirements.txt", RUNTIME).entries)
    return Lock(text, names, "requirements.txt")


def kept(python: Interpreter, comment: str = "") -> Kept:
    made = ended(environment.keep(small_lock(comment), python)).value
    assert made is not None
    return made


def test_the_python_found_is_the_version_asked_for_and_not_of_a_virtual_environment(python: Interpreter) -> None:
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.prefix == sys.base_prefix)"
    said = subprocess.run([python.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.split() == [VERSION, "True"]


def test_a_shim_that_answers_127_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "3.12" if VERSION != "3.12" else "3.13"
    try:
        real = ended(interpreter.find(other)).value
    except EnvironmentFaultError:
        pytest.skip(f"needs Python {other} beside {VERSION}")
    shims, versions = tmp_path / "shims", tmp_path / f"pyenv/versions/{real.version}/bin"
    shims.mkdir()
    versions.mkdir(parents=True)
    shim = shims / f"python{other}"
    shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    (versions / f"python{other}").symlink_to(real.executable)
    monkeypatch.setenv("PATH", f"{shims}:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    interpreter._installed.cache_clear()
    assert ended(interpreter.find(other)).value.version == real.version
    interpreter._installed.cache_clear()


def test_a_python_that_is_nowhere_is_the_environments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(EnvironmentFaultError, match=r"Python 3\.99 was not found") as raised:
        ended(interpreter.find("3.99"))
    assert "`python`" in raised.value.fix


def test_an_environment_is_made_once_and_found_again(own_cache: Path, python: Interpreter) -> None:
    first = ended(environment.keep(small_lock(), python))
    again = ended(environment.keep(small_lock(), python))
    assert any("installing" in step for step in first.steps)
    assert not any("installing" in step for step in again.steps)
    assert first.value == again.value
    assert kept(python, "another lock") != first.value


def test_an_environment_without_its_snapshot_is_made_anew(own_cache: Path, python: Interpreter) -> None:
    kept(python).snapshot.unlink()
    again = ended(environment.keep(small_lock(), python))
    assert any("installing" in step for step in again.steps)
    assert again.value is not None
    assert again.value.snapshot.is_file()
    assert [p.name for p in own_cache.iterdir() if p.is_dir()] == [again.value.path.name]


def test_a_cache_without_a_home_directory_needs_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("SEATRIAL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UsageError, match="home directory"):
        cache_dir()


def test_a_copy_has_folders_of_its_own_and_shares_the_bytes(own_cache: Path, python: Interpreter) -> None:
    made = kept(python)
    with kept_environments.copy(made) as copy:
        (record,) = (copy.path / "environment").glob("lib/*/site-packages/h11-*/RECORD")
        original = made.path / record.relative_to(copy.path)
        assert record.stat().st_ino == original.stat().st_ino
        (record.parent / "new-file").touch()
        assert not (original.parent / "new-file").exists()
        place = copy.path
    assert not place.exists()


def test_where_links_fail_the_copy_is_full_and_said_aloud(
    own_cache: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kept(python)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert any("no hard links" in step for step in ended(kept_environments.announce_full_copy(made)).steps)
    with kept_environments.copy(made) as copy:
        (record,) = (copy.path / "environment").glob("lib/*/site-packages/h11-*/RECORD")
        assert record.stat().st_ino != (made.path / record.relative_to(copy.path)).stat().st_ino
        assert kept_environments.snapshot_of(copy.path / "environment") == kept_environments.snapshot_of(
            made.path / "environment"
        )


def test_parallel_runs_make_one_environment(own_cache: Path, python: Interpreter) -> None:
    code = (
        "from pathlib import Path\n"
        "from seatrial.environment.interpreter import Interpreter\n"
        "from tests.environment.test_install import kept\n"
        f"print(kept(Interpreter(Path({str(python.executable)!r}), {python.version!r})).path)"
    )

    def run(_: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, cwd=ROOT
        )
        return done.stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(run, range(4)))
    assert len(paths) == 1
    assert [p.name for p in own_cache.iterdir() if p.is_dir()] == [Path(paths.pop()).name]


def test_the_least_used_environments_go_first(own_cache: Path, python: Interpreter) -> None:
    made = [kept(python, f"lock {n}") for n in range(kept_environments.KEPT_AT_MOST)]
    kept(python, "lock 0")  # used again
    kept(python, "one more")
    assert made[0].path.exists()
    assert not made[1].path.exists()
    assert len(list(own_cache.glob("*/snapshot.json"))) == kept_environments.KEPT_AT_MOST


def test_a_hash_that_does_not_fit_is_refused(own_cache: Path, python: Interpreter) -> None:
    lock = small_lock()
    wrong = Lock(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", lock.text), lock.names, lock.path)
    with pytest.raises(EnvironmentFaultError, match=r"(?i)hash mismatch"):
        ended(environment.keep(wrong, python))
    assert not list(own_cache.glob("*/snapshot.json"))
    assert not [p for p in own_cache.iterdir() if p.is_dir()]


def test_a_disk_that_cannot_hold_it_is_refused_with_numbers(
    own_cache: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(own_cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000_000))
    lock = small_lock()
    cuda = Lock(lock.text, lock.names | {"torch", "nvidia-cublas"}, lock.path)
    with pytest.raises(EnvironmentFaultError, match=r"2\.0 GB free.*needs about 8\.5 GB"):
        ended(environment.keep(cuda, python))


def test_the_projects_pin_wins_over_the_runtimes(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("uvicorn==0.29.0 --hash=sha256:00\nclick==8.1.0 --hash=sha256:11\n")
    lock = requirements.read(tmp_path / "requirements.txt", tmp_path)
    runtime = requirements.read(RUNTIME / "requirements.txt", RUNTIME)
    merged = environment.merge(lock, (tmp_path / "requirements.txt").read_text(), runtime)
    assert merged.text.count("uvicorn==") == 1
    assert "uvicorn==0.29.0" in merged.text
    assert "click==8.1.0" in merged.text
    assert "h11==" in merged.text


def test_an_inconsistent_lock_is_named_at_its_line(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    text = (RUNTIME / "requirements.txt").read_text()
    without_h11 = re.sub(r"^h11==.*\n(?:[ ]+.*\n)*", "", text, flags=re.MULTILINE)
    (tmp_path / "requirements.txt").write_text(without_h11)
    lock = requirements.read(tmp_path / "requirements.txt", tmp_path)
    made = ended(environment.keep(Lock(without_h11, frozenset(), "requirements.txt"), python)).value
    assert made is not None
    with kept_environments.copy(made) as copy:
        (finding,) = environment.inconsistencies(copy, lock)
    assert finding.code == "ST111"
    assert "h11" in finding.message
    assert finding.location is not None
    assert without_h11.splitlines()[(finding.location.line or 0) - 1].startswith("uvicorn==")
