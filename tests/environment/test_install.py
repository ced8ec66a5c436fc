"""Environments: made once from a lock with hashes, and shared by parallel runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seatrial.environment import install, store
from seatrial.environment.install import Lock
from seatrial.environment.interpreter import Interpreter
from seatrial.errors import EnvironmentFaultError
from seatrial.facts.packages import requirements
from tests.conftest import ROOT
from tests.environment.small_lock import RUNTIME, kept, small_lock
from tests.stages import ended


def test_an_environment_is_made_once_and_found_again(own_cache: Path, python: Interpreter) -> None:
    first = ended(install.keep(small_lock(), python))
    again = ended(install.keep(small_lock(), python))
    assert any("installing" in step for step in first.steps)
    assert not any("installing" in step for step in again.steps)
    assert first.value == again.value
    assert kept(python, "another lock") != first.value


def test_an_environment_without_its_snapshot_is_made_again(own_cache: Path, python: Interpreter) -> None:
    kept(python).snapshot.unlink()
    again = ended(install.keep(small_lock(), python))
    assert any("installing" in step for step in again.steps)
    assert again.value is not None
    assert again.value.snapshot.is_file()
    assert [p.name for p in own_cache.iterdir() if p.is_dir()] == [again.value.path.name]


def test_parallel_runs_make_one_environment(own_cache: Path, python: Interpreter) -> None:
    code = (
        "from pathlib import Path\n"
        "from seatrial.environment.interpreter import Interpreter\n"
        "from tests.environment.small_lock import kept\n"
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


def test_a_hash_that_does_not_fit_is_refused(own_cache: Path, python: Interpreter) -> None:
    lock = small_lock()
    wrong = Lock(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", lock.text), lock.names, lock.path)
    with pytest.raises(EnvironmentFaultError, match=r"(?i)hash mismatch"):
        ended(install.keep(wrong, python))
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
        ended(install.keep(cuda, python))


def test_the_projects_pin_wins_over_the_runtimes(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("uvicorn==0.29.0 --hash=sha256:00\nclick==8.1.0 --hash=sha256:11\n")
    lock = requirements.read(tmp_path / "requirements.txt", tmp_path)
    runtime = requirements.read(RUNTIME / "requirements.txt", RUNTIME)
    merged = install.merge(lock, (tmp_path / "requirements.txt").read_text(), runtime)
    assert merged.text.count("uvicorn==") == 1
    assert "uvicorn==0.29.0" in merged.text
    assert "click==8.1.0" in merged.text
    assert "h11==" in merged.text


def test_an_inconsistent_lock_is_named_at_its_line(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    text = (RUNTIME / "requirements.txt").read_text()
    without_h11 = re.sub(r"^h11==.*\n(?:[ ]+.*\n)*", "", text, flags=re.MULTILINE)
    (tmp_path / "requirements.txt").write_text(without_h11)
    lock = requirements.read(tmp_path / "requirements.txt", tmp_path)
    made = ended(install.keep(Lock(without_h11, frozenset(), "requirements.txt"), python)).value
    assert made is not None
    with store.copy(made) as copy:
        (finding,) = install.inconsistencies(copy, lock)
    assert finding.code == "ST111"
    assert "h11" in finding.message
    assert finding.location is not None
    assert without_h11.splitlines()[(finding.location.line or 0) - 1].startswith("uvicorn==")
