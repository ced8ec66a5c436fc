"""`seatrial cache`: what is there, and that pruning takes only what no trial uses."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from seatrial.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def environment(cache: Path, name: str) -> Path:
    folder = cache / name
    (folder / "environment").mkdir(parents=True)
    (folder / "environment/large.so").write_bytes(bytes(2_000_000))
    (folder / "snapshot.json").write_text("{}")
    return folder


def test_the_cache_is_told_and_pruned_of_what_is_not_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path))
    used, unused = environment(tmp_path, "a" * 32), environment(tmp_path, "b" * 32)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/known.json").write_text("{}")
    assert main(["cache"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{tmp_path}\n")
    assert "4.0 MB  2 environments" in told
    with (used / "in-use").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert main(["cache", "--prune"]) == 0
    assert "removed 2 MB" in capsys.readouterr().out
    assert used.exists()
    assert not unused.exists()
    assert (tmp_path / "wheels/known.json").exists()


def test_a_cache_that_is_not_there_yet_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "none"))
    assert main(["cache", "--prune"]) == 0
    assert "0.0 MB  0 environments" in capsys.readouterr().out
