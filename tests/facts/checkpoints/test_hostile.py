"""Every hostile file of the corpus is read within limits, runs nothing, and is found by the check."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.facts.checkpoints.hostile import hostile
from tests.small_project import findings, small_project

MEMORY = 300 << 20  # bytes, beyond what Python and this package take
SECONDS = 2  # of processor time for one file
CANARY = "canary"
NAMES = sorted(hostile(CANARY))
NEVER_RUN = ("a zip in a zip.pt",)  # torch does not open it

# Reads one file in a process that the system ends if it exceeds its limits.
READ = """
import json, resource, sys
from pathlib import Path
from seatrial.facts.checkpoints.checkpoint import read_checkpoints
from seatrial.project import load

project = load(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF)
seconds = before.ru_utime + before.ru_stime
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1 + int(sys.argv[2]),) * 2)
(read,) = read_checkpoints(project)
after = resource.getrusage(resource.RUSAGE_SELF)
used = after.ru_utime + after.ru_stime - seconds
print(json.dumps({"memory": (after.ru_maxrss - before.ru_maxrss) * 1024, "seconds": used, "kind": read.kind}))
"""


# Every fourth file in the gate, the others in the proofs.
IN_TURN = [pytest.param(name, marks=pytest.mark.proof if number % 4 else ()) for number, name in enumerate(NAMES)]


@pytest.mark.parametrize("name", IN_TURN)
def test_a_hostile_file_is_read_within_limits_runs_nothing_and_is_found(tmp_path: Path, name: str) -> None:
    project = small_project(tmp_path, {})
    (tmp_path / "artifacts").mkdir()
    canary = tmp_path / CANARY
    hostile(str(canary))[name](tmp_path / "artifacts" / name)
    done = subprocess.run(
        [sys.executable, "-c", READ, tmp_path, str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY)),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    used: dict[str, Any] = json.loads(done.stdout)
    assert used["memory"] <= MEMORY
    assert used["seconds"] <= SECONDS
    found = findings(project)
    codes = [f.code for f in found if f.location and f.location.path == f"artifacts/{name}"]
    assert codes, found
    file = tmp_path / "artifacts" / name
    if name not in NEVER_RUN and file.is_file() and file.stat().st_size < 1 << 20:
        assert ("ST803" in codes) or str(canary).encode() not in file.read_bytes()
    assert not canary.exists()


def test_the_corpus_is_large() -> None:
    assert len(NAMES) >= 100
