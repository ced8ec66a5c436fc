"""The command line as people and workflows call it: in a process of its own, judged by exit code and output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial import __version__
from seatrial.rules import RULES
from tests.small_project import locked, small_project

ROOT = Path(__file__).parents[2]
STAGES = ("lock", "check", "build", "smoke")


def seatrial(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seatrial", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    return small_project(tmp_path / "healthy", {**locked("numpy==2.0.0"), "artifacts/weights": "1"}).root


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    return small_project(tmp_path / "stale", {**locked("numpy==2.0.0"), "requirements.in": "pillow\n"}).root


class TestHelp:
    def test_names_the_stages_in_the_order_in_which_they_run(self) -> None:
        ran = seatrial("--help")
        assert ran.returncode == 0
        described = [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ") and line.split()]
        first = [word for word in dict.fromkeys(described) if word in STAGES]
        assert tuple(first) == STAGES
        assert "exit codes: 0 passed" in ran.stdout

    @pytest.mark.parametrize("command", STAGES)
    def test_of_every_stage_names_its_options(self, command: str) -> None:
        ran = seatrial(command, "--help")
        assert ran.returncode == 0
        assert "--project DIR" in ran.stdout
        assert "--format {console,json,github" in ran.stdout

    def test_is_what_no_command_at_all_gets(self) -> None:
        ran = seatrial()
        assert ran.returncode == 2
        assert "usage: seatrial" in ran.stderr

    def test_comes_by_the_installed_command_too(self) -> None:
        ran = subprocess.run(
            [Path(sys.executable).parent / "seatrial", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert ran.stdout == f"seatrial {__version__}\n"

    def test_loads_nothing_heavy(self) -> None:
        heavy = "{'torch', 'numpy', 'google.api_core', 'grpc', 'pydantic', 'rich', 'uv', 'hatchling', 'packaging'}"
        script = (
            f"import sys, seatrial.cli.main; print(sorted({heavy} & sys.modules.keys()))\n"
            f"try: seatrial.cli.main(['--help'])\n"
            f"finally: print(sorted({heavy} & sys.modules.keys()))"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert (ran.stdout.splitlines()[0], ran.stdout.splitlines()[-1]) == ("[]", "[]")
        assert ran.returncode == 0


class TestExitCodes:
    def test_zero_where_nothing_is_wrong(self, healthy: Path) -> None:
        ran = seatrial("lock", "--check", "--project", healthy)
        assert (ran.returncode, ran.stdout) == (0, "")
        assert ran.stderr == "PASSED  healthy: the lock answers requirements.in\n"

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
        assert "  fix: pyproject.toml needs\n  [tool.seatrial]\n" in ran.stderr

    @pytest.mark.parametrize("arguments", [["launch"], ["lock", "--chek"], ["build", "--device", "tpu"]])
    def test_two_for_arguments_that_do_not_exist(self, arguments: list[str]) -> None:
        ran = seatrial(*arguments)
        assert ran.returncode == 2
        assert "error: " in ran.stderr
        assert "Traceback" not in ran.stderr

    @pytest.mark.parametrize("option", ["--cpu", "--upgrade"])
    def test_two_for_a_check_that_is_asked_to_write(self, healthy: Path, option: str) -> None:
        ran = seatrial("lock", "--check", option, "--project", healthy)
        assert ran.returncode == 2
        assert "--check writes nothing" in ran.stderr

    def test_two_for_a_requirement_file_that_is_no_text(self, healthy: Path) -> None:
        (healthy / "requirements.in").write_bytes(b"numpy\xff")
        ran = seatrial("check", "--project", healthy)
        assert ran.returncode == 2
        assert "is not UTF-8 text" in ran.stderr
        assert "fix: save it as UTF-8" in ran.stderr

    def test_three_for_a_disk_that_does_not_take_the_bundle(self, healthy: Path) -> None:
        (healthy / "build").write_text("a file where the folder should be")
        ran = seatrial("build", "--project", healthy)
        assert ran.returncode == 3
        assert "build: " in ran.stderr
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

    def test_names_the_digest_of_a_bundle(self, healthy: Path) -> None:
        ran = seatrial("build", "--format", "json", "--project", healthy)
        report = json.loads(ran.stdout)
        settings = json.loads((healthy / "build/bundle/bundle.json").read_text())
        assert report["bundle_digest"] == settings["digest"]
        assert report["seconds"].keys() == {"build"}

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


class TestCheck:
    @pytest.fixture
    def broken(self, tmp_path: Path) -> Path:
        files = {**locked("torch==2.8.0"), "predictor.py": "import cv2\n\n\nclass Q: ...\n"}
        return small_project(tmp_path / "broken", files).root

    @pytest.mark.parametrize(
        ("options", "codes"),
        [
            ((), ["ST202", "ST110"]),
            (("--select", "ST1"), ["ST110"]),
            (("--select", "st110,ST3", "--select", "ST202"), ["ST202", "ST110"]),
            (("--ignore", "ST2"), ["ST110"]),
            (("--ignore", "ST1,ST2"), []),
            (("--select", "ST1,ST2", "--ignore", "ST110"), ["ST202"]),
            (("--ignore", "ST1", "--select", "ST110"), ["ST110"]),
            (("--select", "ST110", "--ignore", "ST110"), []),
        ],
    )
    def test_finds_what_is_chosen(self, broken: Path, options: tuple[str, ...], codes: list[str]) -> None:
        ran = seatrial("check", *options, "--format", "json", "--project", broken)
        assert [found["code"] for found in json.loads(ran.stdout)["findings"]] == codes
        assert ran.returncode == (1 if codes else 0)

    @pytest.mark.parametrize("option", ["--select", "--ignore"])
    @pytest.mark.parametrize(
        ("code", "meant"), [("ST1100", "; did you mean `ST110`?\n"), ("ST9", ""), ("E501", ""), ("S", "")]
    )
    def test_knows_its_codes(self, broken: Path, option: str, code: str, meant: str) -> None:
        ran = seatrial("check", option, code, "--project", broken)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert f"error: {option}: no rule has the code {code}{meant}" in ran.stderr

    def test_can_pass_whatever_is_found(self, broken: Path) -> None:
        ran = seatrial("check", "--exit-zero", "--project", broken)
        assert ran.returncode == 0
        assert "FAILED  broken: 2 errors (ST202, ST110)" in ran.stderr

    def test_counts_what_is_waived_and_what_can_be_fixed(self, broken: Path) -> None:
        with (broken / "pyproject.toml").open("a") as file:
            file.write('\n[tool.seatrial.ignore]\nST202 = "made at run time"\nST403 = "not yet"\n')
        ran = seatrial("check", "--format", "json", "--project", broken)
        assert ran.stderr.splitlines()[-1].endswith(" · 1 warning · 1 waived · 1 fixable with --fix")
        (waived,) = json.loads(ran.stdout)["waived"]
        assert (waived["code"], waived["waiver"]["reason"]) == ("ST202", "made at run time")
        assert waived["waiver"]["location"]["path"] == "pyproject.toml"

    def test_fixes_or_shows_but_not_both(self, broken: Path) -> None:
        assert seatrial("check", "--fix", "--diff", "--project", broken).returncode == 2

    def test_is_printed_in_colour_where_that_is_wanted_and_rich_is_loaded_only_there(self, broken: Path) -> None:
        plain = seatrial("check", "--project", broken, PYTHONPROFILEIMPORTTIME="1").stderr
        coloured = seatrial("check", "--project", broken, PYTHONPROFILEIMPORTTIME="1", FORCE_COLOR="1").stderr
        assert "error[ST110]: `cv2`" in plain
        assert "\x1b[1;31merror[ST110]\x1b[0m" in coloured
        assert ("rich.console" in plain, "rich.console" in coloured) == (False, True)


class TestExplain:
    def test_prints_the_page_of_a_code_in_any_case(self) -> None:
        ran = seatrial("explain", "st101")
        assert ran.returncode == 0
        assert ran.stdout.startswith("# ST101: the lock does not answer requirements.in\n")
        assert "## Fix" in ran.stdout

    def test_lists_every_rule_by_family_when_asked_for_none(self) -> None:
        ran = seatrial("explain")
        assert ran.returncode == 0
        assert ran.stdout.startswith("ST1 lock and environment\n  ST101  error    the lock does not answer")
        assert [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ")] == list(RULES)

    def test_lists_a_family(self) -> None:
        ran = seatrial("explain", "st3")
        assert ran.returncode == 0
        assert [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ")] == [
            code for code in RULES if code.startswith("ST3")
        ]

    def test_names_the_nearest_code_to_one_that_there_is_not(self) -> None:
        ran = seatrial("explain", "ST1011")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "there is no rule ST1011; did you mean `ST101`?" in ran.stderr
        assert "`seatrial explain` lists all rules" in ran.stderr


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_end_a_command_by_their_own_exit_code(self, healthy: Path, number: signal.Signals) -> None:
        script = (
            "import os, signal, sys\n"
            f"signal.signal({int(number)}, signal.SIG_DFL)\n"  # the tests themselves may run under nohup
            "from seatrial import check, cli\n"
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
            "from seatrial import check, cli\n"
            "real = check.check\n"
            "def signalled(*given, **more):\n"
            "    os.kill(os.getpid(), signal.SIGHUP)\n"
            "    return (yield from real(*given, **more))\n"
            "check.check = signalled\n"
            f"sys.exit(cli.main(['check', '--project', {str(healthy)!r}]))"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0
