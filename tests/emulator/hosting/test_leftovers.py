"""What a killed emulator left running is ended by the next one."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

from seatrial.emulator.hosting.leftovers import Leftovers


def test_what_a_killed_emulator_left_is_ended_but_not_another_process_with_a_reused_number(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        leftovers = Leftovers(tmp_path)
        leftovers.note(left.pid)
        (tmp_path / str(stranger.pid)).write_text("1")  # another process had that number before
        threading.Thread(target=left.wait, daemon=True).start()
        leftovers.end()
        assert left.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
        assert list(tmp_path.iterdir()) == []
    finally:
        left.kill()
        stranger.kill()
        left.wait()
        stranger.wait()
