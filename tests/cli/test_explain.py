"""`seatrial explain`: the pages and lists of rules; with --log what it recognises, and how little memory it takes."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.cli.main import main
from seatrial.rules import RULES
from tests.cli.process import seatrial
from tests.small_project import small_project
from tests.symptoms.stored import TEXTS

PREFIX = TEXTS / "module_prefix.txt"
NO_MODULE = "\n".join(
    (
        "Traceback (most recent call last):",
        '  File "/app/lib/python3.11/site-packages/predictor.py", line 3, in load',
        "    import torchvision",
        "ModuleNotFoundError: No module named 'torchvision'",
    )
)
UNKNOWN = 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n    g()\nshop.OutOfStockError: apples\n'


class TestACode:
    def test_prints_the_page_of_a_code_in_any_case(self) -> None:
        ran = seatrial("explain", "st101")
        assert ran.returncode == 0
        assert ran.stdout.startswith("# ST101: the lock does not match requirements.in\n")
        assert "## Fix" in ran.stdout

    def test_lists_every_rule_by_family_when_asked_for_none(self) -> None:
        ran = seatrial("explain")
        assert ran.returncode == 0
        assert ran.stdout.startswith("ST1 lock and environment\n  ST101  error    the lock does not match")
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


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def explained(*arguments: str) -> int:
    return main(["explain", *arguments])


def test_what_a_rule_knows_is_printed_with_the_line_that_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("--log", str(PREFIX)) == 0
    printed = capsys.readouterr().err
    assert "error[ST308]" in printed
    assert "module.conv1.weight" in printed
    assert "RECOGNISED  1 fault in " in printed


def test_with_the_project_the_finding_is_at_the_users_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = small_project(tmp_path / "project", {"predictor.py": "\n\nimport torchvision\n"})
    (tmp_path / "log").write_text(NO_MODULE)
    assert explained("--log", "log", "--project", str(project.root), "--format", "json") == 0
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["code"] == "ST110"
    assert found["location"]["path"] == "predictor.py"
    assert found["location"]["line"] == 3
    monkeypatch.chdir(project.root)
    assert explained("--log", str(tmp_path / "log")) == 0
    assert "--> predictor.py:3" in capsys.readouterr().err


def test_what_no_rule_knows_ends_with_1_and_says_what_was_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text(UNKNOWN)
    assert explained("--log", "log") == 1
    printed = capsys.readouterr().err
    assert "shop.OutOfStockError: apples" in printed
    assert "error[ST590]: not recognised: shop.OutOfStockError: apples" in printed
    assert "NOT RECOGNISED  looked at 4 lines" in printed
    assert explained("--log", "log", "--format", "json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "unrecognised"
    assert report["log"] == {"lines": 4, "bytes_read": len(UNKNOWN), "bytes": len(UNKNOWN)}
    assert [each["code"] for each in report["findings"]] == ["ST590"]


def test_an_empty_log_and_one_without_a_traceback_are_not_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text("")
    assert explained("--log", "log") == 1
    assert "the log is empty" in capsys.readouterr().err
    (tmp_path / "log").write_text("listening on 8080\n")
    assert explained("--log", "log") == 1
    assert "no traceback and no text that a rule knows" in capsys.readouterr().err


def test_a_log_that_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("--log", "gone") == 2
    assert explained("--log", str(tmp_path)) == 2
    assert "gone cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_project_that_is_asked_for_and_is_none_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(UNKNOWN)
    assert explained("--log", "log", "--project", str(tmp_path / "none")) == 2


def test_standard_input_is_read_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(NO_MODULE.encode())))
    assert explained("--log", "-") == 0
    assert "error[ST150]" in capsys.readouterr().err


def test_several_failures_of_one_log_have_their_own_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = small_project(tmp_path / "project", {"predictor.py": "x = 1\n"})
    second = NO_MODULE.replace("line 3, in load", "line 9, in predict").replace(
        "ModuleNotFoundError: No module named 'torchvision'",
        "ValueError: Out of range float values are not JSON compliant",
    )
    (tmp_path / "log").write_text(f"{NO_MODULE}\nthe server was started again\n{second}\n")
    assert explained("--log", "log", "--project", str(project.root), "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {(each["code"], each["location"]["line"]) for each in found} == {("ST110", 3), ("ST540", 9)}


def limits() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # seconds
    resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))  # bytes


@pytest.mark.proof
@pytest.mark.parametrize("by", ["file", "pipe"])
def test_a_log_of_a_hundred_megabytes_is_read_with_little_memory(tmp_path: Path, by: str) -> None:
    line = 'INFO:     10.0.0.1:53124 - "POST /predict HTTP/1.1" 200 OK RuntimeError torch==2.15.0\n'
    file = tmp_path / "log"
    with file.open("w") as stream:
        for _ in range(100):
            stream.write(line * (1_000_000 // len(line)))
        stream.write(NO_MODULE)
    command = [sys.executable, "-m", "seatrial", "explain", "--log"]
    if by == "file":
        command.append(str(file))
    else:
        command = ["sh", "-c", 'cat "$0" | exec "$@" -', str(file), *command]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, preexec_fn=limits, capture_output=True, cwd=root, check=False, timeout=280)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert b"error[ST152]" in ended.stderr  # this repository locks torchvision
    assert b"the last 8 of 100 MB" in ended.stderr
