"""A lock on a file: acquired at once if it is free, and with a step that says so if it is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from seatrial.findings import Step
from seatrial.system import file_lock
from tests.stages import ended

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_free_lock_is_acquired_without_a_step_and_its_folder_is_made(tmp_path: Path) -> None:
    got = ended(file_lock.acquire(tmp_path / "folder/lock", "nobody"))
    assert got.steps == []
    assert got.value.is_locked
    got.value.release()


def test_a_held_lock_is_waited_for_and_its_holder_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting = file_lock.acquire(tmp_path / "lock", "another build")
        assert next(waiting) == Step("waiting for another build")
        holder.stdin.close()
        ended(waiting).value.release()
