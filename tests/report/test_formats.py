"""The table of formats: each is shown a run in the same way, and a new one needs only its row."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from seatrial.cli.main import main
from seatrial.errors import UsageError
from seatrial.findings import Finding, Location
from seatrial.report import formats, github
from seatrial.report.console import Console
from seatrial.report.document import DocumentRenderer
from seatrial.report.formats import FORMATS, offered
from seatrial.report.renderer import Renderer, Report, RuleText

FINDING = Finding("ST110", "`cv2` is imported", location=Location("predictor.py", 1, 8, 11), fix="add it")
RULE = RuleText("ST110", "an import that no requirement provides", "error", "It is not there.", "# ST110\n")
FAILED = Report("check", "failed", [FINDING], {"check": 0.5}, "digits: 1 error", rules=lambda: [RULE])
STOPPED = Report("check", "error", [], message="no pyproject.toml", fix="add one", more={"device": ""})
DOCUMENTS = [name for name, renderer in FORMATS.items() if issubclass(renderer, DocumentRenderer)]


@pytest.fixture(autouse=True)
def _outside_of_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEveryFormat:
    def test_says_what_it_is_for_help(self, name: str) -> None:
        assert FORMATS[name].about

    def test_shows_findings_and_verdict_to_people(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        FORMATS[name](tmp_path).show(FAILED)
        shown = capsys.readouterr().err
        assert "error[ST110]: `cv2` is imported" in shown
        assert shown.endswith("FAILED  digits: 1 error\n")

    def test_shows_what_ended_a_command_early(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        FORMATS[name](tmp_path).show(STOPPED)
        assert capsys.readouterr().err == "error: no pyproject.toml\n  fix: add one\n"

    def test_has_standard_output_for_its_document_alone(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        renderer = FORMATS[name](tmp_path)
        renderer.result("--- a\n")
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == (("", "--- a\n") if name in DOCUMENTS else ("--- a\n", ""))
        renderer.show(FAILED)
        assert bool(capsys.readouterr().out) == (name in DOCUMENTS)

    def test_sets_outputs_of_a_step_only_for_github(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "outputs"
        monkeypatch.setenv("GITHUB_OUTPUT", str(file))
        FORMATS[name](tmp_path).set_outputs(image="a")
        assert file.exists() == (name == "github")


class TestADocument:
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_needs_a_standard_output_before_the_command_begins(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        with pytest.raises(UsageError, match="needs a standard output"):
            FORMATS[name](tmp_path)

    def test_says_in_json_what_ended_a_command_early(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        FORMATS["json"](tmp_path).show(STOPPED)
        assert json.loads(capsys.readouterr().out) == {
            "format": 1,
            "command": "check",
            "device": "",
            "verdict": "error",
            "message": "no pyproject.toml",
            "fix": "add one",
            "findings": [],
        }


class TestTheConsole:
    def test_prints_a_result_to_standard_error_where_standard_output_is_closed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        Console(tmp_path).result("--- a\n")
        assert capsys.readouterr().err == "--- a\n"


class Tiny(DocumentRenderer):
    """Only the codes."""

    about: ClassVar[str] = "only the codes"

    def document(self, report: Report) -> str:
        return " ".join(finding.code for finding in report.findings) or report.verdict


class TestANewFormat:
    @pytest.fixture(autouse=True)
    def _a_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows: dict[str, type[Renderer]] = {**FORMATS, "tiny": Tiny}
        monkeypatch.setattr(formats, "FORMATS", rows)

    def test_needs_only_its_row(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["build", "--format", "tiny", "--project", str(tmp_path)]) == 2
        printed = capsys.readouterr()
        assert printed.out == "error\n"
        assert "no pyproject.toml" in printed.err

    def test_is_in_the_help_of_each_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        for command in (["lock"], ["check"], ["image", "push"], ["deploy"]):
            with pytest.raises(SystemExit):
                main([*command, "--help"])
            assert "tiny: only the codes" in " ".join(capsys.readouterr().out.split())


def test_a_format_that_needs_texts_of_rules_is_offered_only_where_there_are_some() -> None:
    assert set(offered(rules=True)) - set(offered()) == {"sarif"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_whose_name_is_not_utf8_can_be_named_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    as_of_a_program = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    monkeypatch.setattr(sys, "stderr", as_of_a_program)
    path = os.fsdecode(b"predictor/\xff.pem")
    found = Finding("ST110", f"{path} ships", location=Location(path))
    FORMATS[name](tmp_path).show(Report("check", "failed", [found], {"check": 0.5}, "1 error", rules=lambda: [RULE]))
    capsys.readouterr().out.encode()
    assert next(github.annotated([found.as_dict()])).encode()
