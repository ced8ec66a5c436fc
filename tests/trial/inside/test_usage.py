"""What /proc says about a process and its descendants."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.serving import weights
from seatrial.trial import inside
from seatrial.trial.inside.usage import measure

PROGRAM = """
import subprocess, sys, threading
ballast = bytearray(b'x') * 50_000_000
files = [open('/dev/null') for _ in range(20)]
child = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'], stdout=-1)
child.stdout.readline()
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
child.kill()
"""


def test_memory_threads_files_and_children_are_counted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_bytes(bytes(1000))
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=-1, stdout=-1, start_new_session=True)
    assert program.stdin is not None
    assert program.stdout is not None
    with program:
        program.stdout.readline()
        used = measure(program.pid, [str(tmp_path)])
        script = [sys.executable, "-I", str(inside.FOLDER / "usage.py"), str(program.pid), str(tmp_path)]
        printed = json.loads(subprocess.check_output(script, text=True))
        program.stdin.close()
    assert (used["processes"], used["threads"], used["files"], used["bytes"]) == (2, 5, 1, 1000)
    assert used["peak"] >= used["resident"] >= used["memory"] > 50_000_000
    assert used["descriptors"] > 20
    assert printed.keys() == used.keys()
    assert printed["threads"] == used["threads"]
    assert measure(program.pid, []) == {}


MAPPING = """
import mmap, os, subprocess, sys
names = [NAME, 'other']
files = [os.memfd_create(name) for name in names]
held = []
for file, size in zip(files, (30_000_000, 5_000_000)):
    os.pwrite(file, bytes(size), 0)
    held.append(mmap.mmap(file, size, mmap.MAP_PRIVATE))
    held[-1].read()
print('ready', flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_weights_that_workers_share_are_no_shared_memory_as_a_container_limits_it() -> None:
    code = MAPPING.replace("NAME", repr(weights.NAME))
    program = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, start_new_session=True)
    assert program.stdin is not None
    assert program.stdout is not None
    with program:
        program.stdout.readline()
        used = measure(program.pid, [])
        program.stdin.close()
    assert 5_000_000 <= used["shared"] < 10_000_000
    assert used["resident"] > 35_000_000


def test_nothing_is_said_about_a_process_that_is_not_there() -> None:
    assert measure(2**22 + 1, ["/nowhere"]) == {}


def test_another_user_sees_no_hidden_folder_and_another_machine(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    seen_of = "open('/proc/meminfo').read(), len(os.sched_getaffinity(0))"
    code = f"import os; print(os.getuid(), os.listdir({str(tmp_path)!r}), {seen_of})"
    seen = tmp_path.parent / f"{tmp_path.name}-meminfo"
    seen.write_text("MemTotal: 7 kB")
    plan = {"user": 23456, "hidden": [str(tmp_path)], "texts": {"/proc/meminfo": str(seen)}, "processors": 1}
    file = tmp_path.parent / f"{tmp_path.name}-plan.json"
    file.write_text(json.dumps(plan))
    script = [sys.executable, "-I", str(inside.FOLDER / "elsewhere.py"), str(file)]
    run = subprocess.run([*script, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        assert "not permitted" in run.stderr or "Permission denied" in run.stderr
        pytest.skip("this kernel permits no user namespaces")
    assert run.stdout == "23456 [] MemTotal: 7 kB 1\n"
    assert (tmp_path / "file").exists()
