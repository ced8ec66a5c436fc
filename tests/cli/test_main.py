"""How the command line ends: its exit codes and signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import ROOT, seatrial
from tests.small_project import locked

STAGES = ("lock", "check", "build", "smoke")


class TestExitCodes:
    def test_zero_where_nothing_is_wrong(self, healthy: Path) -> None:
        ran = seatrial("lock", "--check", "--project", healthy)
        assert (ran.returncode, ran.stdout) == (0, "")
        assert ran.stderr == "PASSED  healthy: the lock matches requirements.in\n"

    def test_one_for_findings_with_the_place_the_fix_and_where_to_read_more(self, stale: Path) -> None:
        ran = seatrial("lock", "--check", "--project", stale)
        assert ran.returncode == 1
        assert "error[ST101]: requirements.txt does not pin pillow\n --> requirements.in:1:1\n" in ran.stderr
        assert "1 | pillow\n  | ^^^^^^\n" in ran.stderr
        assert "= fix: run `seatrial lock` and commit requirements.txt" in ran.stderr
        assert ran.stderr.splitlines()[-1].startswith("FAILED  stale: ")
        assert "`seatrial explain ST101` says more" in ran.stderr

    @pytest.mark.parametrize(
        ("pyproject", "message"),
        [
            ("", "has no [tool.seatrial] table"),
            ("[tool.seatrial]\npredictor = 'p:P'\nserving.max-bach = 1\n", "did you mean `max-batch`?"),
            ("[tool.seatrial]\npredictor = 'p:P'\npython = 3.11\n", "python: must be text in quotes"),
        ],
    )
    def test_two_for_a_configuration_that_says_nothing_or_nonsense(
        self, tmp_path: Path, pyproject: str, message: str
    ) -> None:
        (tmp_path / "pyproject.toml").write_text(pyproject)
        ran = seatrial("check", cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert message in ran.stderr
        assert "Traceback" not in ran.stderr

    @pytest.mark.parametrize("command", STAGES)
    def test_two_for_every_stage_where_there_is_no_project(self, tmp_path: Path, command: str) -> None:
        ran = seatrial(command, cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith("error: no pyproject.toml in ")
        assert "  fix: run `seatrial init`, which writes what a repository lacks, or write" in ran.stderr

    @pytest.mark.parametrize("arguments", [["launch"], ["lock", "--chek"], ["build", "--device", "tpu"]])
    def test_two_for_arguments_that_do_not_exist(self, arguments: list[str]) -> None:
        ran = seatrial(*arguments)
        assert ran.returncode == 2
        assert "error: " in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_two_for_a_requirement_file_that_is_no_text(self, healthy: Path) -> None:
        (healthy / "requirements.in").write_bytes(b"numpy\xff")
        ran = seatrial("check", "--project", healthy)
        assert ran.returncode == 2
        assert "is not UTF-8 text" in ran.stderr
        assert "fix: save it as UTF-8" in ran.stderr

    @pytest.mark.parametrize("command", [("config",), ("lock", "--check", "--format", "json")])
    def test_three_for_a_standard_output_that_is_full(self, healthy: Path, command: tuple[str, ...]) -> None:
        run = [sys.executable, "-m", "seatrial", *command, "--project", str(healthy)]
        with Path("/dev/full").open("wb") as full:
            ran = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False, cwd=ROOT)
        assert ran.returncode == 3
        assert "No space left on device" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_three_for_an_environment_that_cannot_be_made(self, healthy: Path, tmp_path: Path) -> None:
        ran = seatrial(
            "lock", "--project", healthy, SEATRIAL_CACHE=str(tmp_path / "cache"), UV_OFFLINE="1",
            UV_CACHE_DIR=str(tmp_path / "uv"),
        )  # fmt: skip
        assert ran.returncode == 3
        assert "error: the lock could not be installed" in ran.stderr
        assert "fix: check the network" in ran.stderr
        assert (healthy / "requirements.txt").read_text() == locked("numpy==2.0.0")["requirements.txt"]


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_end_a_command_by_their_own_exit_code(self, healthy: Path, number: signal.Signals) -> None:
        script = (
            "import os, signal, sys\n"
            f"signal.signal({int(number)}, signal.SIG_DFL)\n"  # the tests themselves may run under nohup
            "from seatrial import cli\nfrom seatrial.check import run as check\n"
            f"check.check = lambda *given, **more: (os.kill(os.getpid(), {int(number)}) for _ in range(1))\n"
            f"sys.exit(cli.main(['check', '--project', {str(healthy)!r}]))"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 128 + number
        assert ran.stderr == "\ninterrupted; everything that was started is stopped\n"

    def test_that_the_caller_ignores_stay_ignored(self, healthy: Path) -> None:
        script = (
            "import os, signal, sys\n"
            "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
            "from seatrial import cli\nfrom seatrial.check import run as check\n"
            "real = check.check\n"
            "def signalled(*given, **more):\n"
            "    os.kill(os.getpid(), signal.SIGHUP)\n"
            "    return (yield from real(*given, **more))\n"
            "check.check = signalled\n"
            f"sys.exit(cli.main(['check', '--project', {str(healthy)!r}]))"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0
