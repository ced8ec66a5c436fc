"""The report for machines: one document, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.findings import Finding, Location, Severity
from seatrial.report import json as json_report

ERROR = Finding("ST101", "veraltet → neu", location=Location("requirements.txt", 3, 1, 9), evidence=("a", "b"))
WARNING = Finding("ST130", "other", Severity.WARNING)


class TestTheDocument:
    def test_holds_verdict_findings_times_and_what_the_command_adds(self) -> None:
        report = json.loads(json_report.dumps(json_report.document("check", [ERROR], {"check": 0.12345}, device="cpu")))
        assert report["format"] == json_report.FORMAT
        assert (report["command"], report["verdict"], report["device"]) == ("check", "failed", "cpu")
        assert report["seconds"] == {"check": 0.123}
        (found,) = report["findings"]
        assert found["message"] == "veraltet → neu"
        assert found["location"] == {"path": "requirements.txt", "line": 3, "column": 1, "end_column": 9}
        assert (found["severity"], found["docs"]) == ("error", "docs/rules/ST101.md")

    def test_passes_with_warnings_alone(self) -> None:
        assert json_report.document("check", iter([WARNING]), {})["verdict"] == "passed"

    def test_is_ascii_which_every_log_can_show(self) -> None:
        assert json_report.dumps(json_report.document("check", [ERROR], {})).isascii()


class TestTheFile:
    def test_is_made_with_its_folder(self, tmp_path: Path) -> None:
        file = tmp_path / "build/smoke/report.json"
        json_report.write(file, {"a": 1})
        assert json.loads(file.read_text()) == {"a": 1}

    def test_stays_what_it_was_when_the_new_one_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "report.json"
        json_report.write(file, {"a": 1})
        with pytest.raises(TypeError):
            json_report.write(file, {"a": object()})

        def full(self: Path, *_: object, **__: object) -> None:
            with self.open("w") as half:
                half.write("{")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            json_report.write(file, {"a": 2})
        assert json.loads(file.read_text()) == {"a": 1}
        assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
