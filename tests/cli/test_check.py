"""`seatrial check`: which rules it runs, and what its last line counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import seatrial
from tests.small_project import locked, small_project


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

    def test_judges_a_repository_without_a_table_by_what_answers_in_it(self, tmp_path: Path) -> None:
        files = {**locked("flask==3.0.0"), "app.py": "from flask import Flask\n\napp = Flask(__name__)\n"}
        root = small_project(tmp_path, files).root
        (root / "pyproject.toml").unlink()
        (root / "predictor.py").unlink()
        ran = seatrial("check", "--offline", "--ignore", "ST119", cwd=root)
        assert (ran.returncode, ran.stdout) == (0, "")
        assert "note[ST208]: there is no [tool.seatrial]; the check took `app:app` as what serves\n" in ran.stderr
        assert ran.stderr.splitlines()[-1].startswith("PASSED  ")

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
