"""What a trial says about a predictor that uses more than an image has: also where its code goes on without it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from seatrial.findings import Severity
from tests.trial.test_smoke import Copied, at_load, tried

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the seal is Linux's")


@pytest.fixture
def halves(copied: Copied) -> Path:
    return copied("tests/projects/packaged-transform")


def test_whatever_it_takes_of_this_machine_is_named_although_it_goes_on(halves: Path, tmp_path: Path) -> None:
    secret = tmp_path / "scale.npy"
    secret.write_bytes(b"x")
    at_load(
        halves,
        "import contextlib, ctypes, multiprocessing, socket, subprocess\n"
        "def reach():\n"
        "    socket.create_connection(('198.51.100.8', 80), 1)\n"
        "with contextlib.suppress(OSError):\n"
        f"    np.load({str(secret)!r})\n"
        "with contextlib.suppress(OSError):\n"
        "    subprocess.run(['git', '--version'])\n"
        "with contextlib.suppress(OSError):\n"
        "    (Path(__file__).parent / 'cache.txt').write_text('x')\n"
        "subprocess.run([__import__('sys').executable, '-c', "
        "'from predictor.half_predictor import LABELS; import predictor.reach'])",
    )
    (halves / "predictor/reach.py").write_text("import socket\nsocket.create_connection(('198.51.100.8', 80), 1)\n")
    trial = tried(halves)
    told = {finding.code: finding for finding in trial.errors}
    assert set(told) == {"ST506", "ST510", "ST530"} | ({"ST531"} if shutil.which("git", path="/usr/bin") else set())
    assert str(secret) in told["ST530"].message
    assert "predictor/cache.txt" in told["ST510"].message
    assert "198.51.100.8" in told["ST506"].message
    assert all(f.location is not None and f.location.path.startswith("predictor/") for f in trial.errors)
    assert trial.value.finished


def test_its_own_machine_and_the_clouds_server_are_not_the_outside(halves: Path) -> None:
    at_load(
        halves,
        "import contextlib, socket\n"
        "assert socket.gethostbyname(socket.gethostname()) == '127.0.0.1'\n"
        "with contextlib.suppress(OSError):\n"
        "    socket.create_connection(('metadata.google.internal', 80), 1)\n"
        "with contextlib.suppress(OSError):\n"
        "    socket.create_connection(('127.0.0.1', 6379), 1)",
    )
    trial = tried(halves)
    assert trial.errors == []
    assert {f.severity for f in trial.findings} == {Severity.NOTE}
    assert [name for f in trial.findings for name in ("metadata", "6379") if name in f.message] == ["metadata", "6379"]


def test_what_some_images_lack_is_said_to_be_unproven(halves: Path) -> None:
    at_load(
        halves,
        "import os, subprocess, sqlite3, tempfile, zoneinfo\n"
        "open('/proc/cpuinfo').read()\n"
        "Path('kept.txt').write_text('x')\n"
        "sqlite3.connect('kept.db'), sqlite3.connect(':memory:')\n"
        "assert 'TMPDIR' not in os.environ\n"
        "zoneinfo.ZoneInfo('Europe/Berlin')\n"
        "place = os.path.join(tempfile.mkdtemp(), 'cc')\n"
        "os.symlink('/bin/true', place)\n"
        "subprocess.run([place, 'https://example.com'], check=True)\n"
        "try:\n"
        "    import tkinter\n"
        "except ImportError:\n"
        "    tkinter = None\n"
        "assert tkinter is None",
    )
    trial = tried(halves)
    assert trial.findings == []
    said = " ".join(trial.value.unproven)
    assert all(word in said for word in ("sqlite3", "tzdata", "cc", "/proc/cpuinfo", "kept.txt, kept.db is there"))
