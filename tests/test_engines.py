"""What the tests themselves say where no container engine is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests import engines
from tests.conftest import ROOT


def test_one_line_counts_the_tests_that_need_an_engine_and_says_what_installs_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'run'}"]
    run = subprocess.run(
        [*command, "tests/trial/test_container.py"], cwd=ROOT, env={"PATH": str(tmp_path / "bin")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("SKIPPED"))
    said = re.fullmatch(
        r"SKIPPED \[(\d+)\] tests/engines\.py:\d+: needs a container engine: apt-get install (.+)", line
    )
    assert said
    assert int(said[1]) > 20
    assert f" {said[1]} skipped in " in run.stdout
    assert said[2].split() == list(dict.fromkeys(engines._PACKAGES.values()))


def test_the_gate_installs_each_of_these_packages() -> None:
    needed = re.search(r"^needed=\((.+)\)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert needed
    assert set(engines._PACKAGES.values()) <= set(needed[1].split())
