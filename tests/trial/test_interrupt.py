"""However and whenever a trial is ended, no process of it survives, and nothing half-written remains."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.system.cache import cache_dir

PREDICTOR = "predictor/half_predictor.py"
HOLDS = {
    "load": ("        artifacts = Path(", "        import time; time.sleep(600)\n        artifacts = Path("),
    "answers": ("        powers = ", "        import time; time.sleep(600)\n        powers = "),
}
pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds left processes in /proc, which is Linux's")


@pytest.fixture
def halves(copied: Callable[[str], Path]) -> Path:
    return copied("tests/projects/packaged-transform")


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    """Return a cache folder of the test's own, by whose path its processes are found."""
    return tmp_path / "own-cache"


@contextlib.contextmanager
def running(root: Path, cache: Path) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "SEATRIAL_CACHE": str(cache)}
    command = [sys.executable, "-m", "seatrial", "smoke", "--project", str(root)]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_of(cache: Path) -> list[str]:
    """Return the command lines of live processes that name the cache folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str(cache) in (line := (entry / "cmdline").read_text()):
                found.append(line.replace("\0", " "))
    return found


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def assert_nothing_is_left(root: Path, cache: Path) -> None:
    wait_for(lambda: not processes_of(cache), f"no process left of {processes_of(cache)}", 10)
    assert not list(cache.glob("copy-*"))
    unfinished = [path for path in cache.glob("*") if path.is_dir() and not (path / "snapshot.json").is_file()]
    assert not unfinished
    build = root / "build"
    assert {path.name for path in build.rglob(".*")} <= {".gitignore"}
    if (build / "bundle").exists():
        assert json.loads((build / "bundle/bundle.json").read_text())["digest"]
        assert len(list((build / "bundle/wheels").glob("*.whl"))) == 2
    assert not (build / "smoke/report.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.proof)])
@pytest.mark.parametrize("stage", list(HOLDS))
def test_interrupted_while_the_server_runs(halves: Path, own_cache: Path, stage: str, number: signal.Signals) -> None:
    file = halves / PREDICTOR
    file.write_text(file.read_text().replace(*HOLDS[stage]))
    with running(halves, own_cache) as process:
        wait_for(lambda: any("seatrial.serving" in line for line in processes_of(own_cache)), "the server runs")
        time.sleep(1.5 if stage == "answers" else 0.3)  # to be in the stage, not in an earlier one
        process.send_signal(number)
        _, printed = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "interrupted" in printed
    assert "Traceback" not in printed
    assert_nothing_is_left(halves, own_cache)


def handles_sigterm(process: subprocess.Popen[str]) -> bool:
    """Return whether main() has set its handlers; before that, Python handles an interrupt."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.25, 0.4, 0.6, 0.9])
def test_interrupted_at_any_moment(halves: Path, own_cache: Path, delay: float) -> None:
    with running(halves, own_cache) as process:
        wait_for(lambda: handles_sigterm(process), "main() has begun")
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.fail(f"the whole trial took less than {delay} s: this test needs other moments")
    assert process.returncode == 128 + signal.SIGINT
    assert_nothing_is_left(halves, own_cache)


def test_a_killed_trial_takes_its_server_along_and_the_next_run_sweeps(halves: Path, own_cache: Path) -> None:
    file = halves / PREDICTOR
    sound = file.read_text()
    file.write_text(sound.replace(*HOLDS["load"]))
    with running(halves, own_cache) as process:
        wait_for(lambda: any("seatrial.serving" in line for line in processes_of(own_cache)), "the server runs")
        process.kill()
    wait_for(lambda: not processes_of(own_cache), "the server is gone too", 10)
    assert list(own_cache.glob("copy-*"))
    file.write_text(sound)
    with running(halves, own_cache) as process:
        _, printed = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert not list(own_cache.glob("copy-*"))


def test_an_install_that_is_killed_is_never_taken_for_an_environment(
    halves: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(own_cache))
    left = cache_dir() / f".{'0' * 32}-killed"
    left.mkdir(parents=True)
    with running(halves, own_cache) as process:
        _, printed = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert not left.exists()
