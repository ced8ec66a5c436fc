"""Run a module of tests with the demo's environment, which has torch: the tests' own has not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from seatrial.environment import install, interpreter
from seatrial.facts.packages import requirements
from seatrial.system import process
from tests.conftest import ROOT
from tests.stages import ended


def failures_of(module: str, target: Path) -> Mapping[str, str]:
    """Return case → failure, or "", as the module writes them to `target`.

    It runs in the kept environment itself, in which it writes nothing: a copy takes up to a minute.
    """
    lock_file = ROOT / "requirements.txt"
    text = lock_file.read_text(encoding="utf-8")
    lock = install.merge(requirements.read(lock_file, ROOT), text, requirements.read_runtime("requirements.txt"))
    kept = ended(install.keep(lock, ended(interpreter.find("3.11")).value)).value
    assert kept is not None
    env = {**process.install_environment(), "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [str(kept.path / "environment/bin/python"), "-B", "-m", module, str(target)]
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=300, capture_output=True)
    found: Mapping[str, str] = json.loads(target.read_text(encoding="utf-8"))
    return found
