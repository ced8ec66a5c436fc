"""The table of contents: every command is a row and a module, and help comes without loading them."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial import __version__
from seatrial.cli.parser import COMMANDS, EXAMPLES, parser
from tests.cli.process import ROOT, seatrial

STAGES = ("lock", "check", "build", "smoke")
PATH = [str(ROOT / "seatrial/cli")]


def test_each_module_with_a_command_has_a_row_and_declares_its_options() -> None:
    modules = {each.name: importlib.import_module(f"seatrial.cli.{each.name}") for each in pkgutil.iter_modules(PATH)}
    assert {name for name, module in modules.items() if hasattr(module, "command")} == set(COMMANDS)
    assert all(callable(modules[name].arguments) for name in COMMANDS)


@pytest.mark.parametrize(("typed", "meant"), [("chek", "did you mean `check`?"), ("xyz", "lists the commands")])
def test_a_misspelt_command_is_answered_with_the_nearest(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([typed])
    assert ended.value.code == 2
    assert f"there is no command `{typed}`; " in (said := capsys.readouterr().err)
    assert meant in said


def test_quiet_and_verbose_together_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["smoke", "--quiet", "--verbose"])
    assert ended.value.code == 2
    assert "--verbose/-v: not allowed with argument --quiet/-q" in capsys.readouterr().err


def test_the_help_of_smoke_says_what_the_default_depth_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["smoke", "--help"])
    assert "The default depth proves the lock" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", EXAMPLES)
def test_every_help_ends_with_an_example_that_can_be_parsed_and_the_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser().parse_args(EXAMPLES[command].split())
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert f"example:\n  $ seatrial {EXAMPLES[command]}\n" in shown
    assert "exit codes: 0 passed" in shown


def test_every_command_has_an_example() -> None:
    assert {command.partition(" ")[0] for command in EXAMPLES} == set(COMMANDS)


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

    def test_is_what_no_command_at_all_gets_outside_of_projects(self, tmp_path: Path) -> None:
        ran = seatrial(cwd=tmp_path)
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

    def test_of_all_commands_loads_none_of_them(self) -> None:
        assert loaded_by("--help", r"seatrial\.cli\.(?!main$|parser$|run$)") == []

    def test_loads_nothing_heavy(self) -> None:
        assert loaded_by("--help", HEAVY) == []

    @pytest.mark.parametrize("command", [*COMMANDS, "image build"])
    def test_of_a_command_loads_nothing_heavy(self, command: str) -> None:
        assert loaded_by(f"{command} --help", HEAVY) == []


HEAVY = r"(torch|numpy|google\.api_core|google\.auth|grpc|requests|pydantic|rich|uv|hatchling|packaging|shtab)$"


def loaded_by(arguments: str, pattern: str) -> list[str]:
    """Return the modules whose names begin with a match of the pattern, after `seatrial` with these arguments."""
    script = (
        "import re, sys, seatrial.cli\n"
        f"loaded = lambda: print(sorted(name for name in sys.modules if re.match({pattern!r}, name)))\n"
        "loaded()\n"
        f"try: seatrial.cli.main({arguments.split()})\n"
        "finally: loaded()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "[]"
    names: list[str] = ast.literal_eval(lines[-1])
    return names
