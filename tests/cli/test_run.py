"""How a run is shown to machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import ROOT, seatrial


class TestJson:
    @pytest.mark.parametrize("command", [("check",), ("lock", "--check")])
    def test_is_the_one_document_on_standard_output(self, stale: Path, command: tuple[str, ...]) -> None:
        ran = seatrial(*command, "--format", "json", "--project", stale)
        report = json.loads(ran.stdout)
        assert (ran.returncode, report["command"], report["verdict"]) == (1, command[0], "failed")
        (found,) = [one for one in report["findings"] if one["message"] == "requirements.txt does not pin pillow"]
        assert (found["code"], found["location"]["path"], found["location"]["line"]) == ("ST101", "requirements.in", 1)
        assert "error[ST101]" in ran.stderr

    def test_says_that_it_passed(self, healthy: Path) -> None:
        ran = seatrial("lock", "--check", "--format", "json", "--project", healthy)
        report = json.loads(ran.stdout)
        assert (ran.returncode, report["verdict"], report["findings"]) == (0, "passed", [])

    def test_can_be_printed_where_only_ascii_can(self, stale: Path) -> None:
        (stale / "requirements.in").write_text("./größe\n", encoding="utf-8")
        ran = seatrial("check", "--format", "json", "--project", stale, PYTHONIOENCODING="ascii:strict", LC_ALL="C")
        assert "./größe" in [one["message"].split("`")[1] for one in json.loads(ran.stdout)["findings"]]

    def test_is_nothing_for_a_reader_that_has_gone(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        ran = subprocess.run(
            [sys.executable, "-m", "seatrial", "explain", "ST101"], stdout=writing, stderr=subprocess.PIPE, text=True,
            check=False, cwd=ROOT, timeout=60,
        )  # fmt: skip
        os.close(writing)
        assert (ran.returncode, ran.stderr) == (3, "")
