"""The schemas in docs/schemas: they are those of the code, take what the tool takes, and refuse what it refuses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from seatrial import project
from seatrial.errors import UsageError
from seatrial.findings import Edit, Finding, Location
from seatrial.report import json as json_report
from seatrial.report.renderer import Report
from tests.conftest import ROOT
from tools import schemas

FOLDERS = ("examples", "tests/projects")
WRITTEN = [
    ROOT / "pyproject.toml",
    *(file for name in FOLDERS for file in sorted((ROOT / name).rglob("pyproject.toml"))),
]


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_a_schema_is_that_of_the_code(name: str) -> None:
    schema = json.loads((ROOT / "docs/schemas" / name).read_text())
    Draft202012Validator.check_schema(schema)
    assert schema == schemas.SCHEMAS[name](), "run `python -m tools.schemas docs/schemas`"


def faults(name: str, document: Any) -> list[str]:
    return [fault.message for fault in Draft202012Validator(schemas.SCHEMAS[name]()).iter_errors(document)]


def table(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = tomllib.loads(file.read_text()).get("tool", {}).get("seatrial")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None
    return found


def test_what_the_tool_takes_is_right_by_the_schema() -> None:
    taken = 0
    for file in WRITTEN:
        written = table(file)
        try:
            project.load(file.parent)
        except UsageError:
            continue
        if written is not None:
            taken += 1
            assert faults("pyproject.json", written) == [], file
    assert taken > 10


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"predictor": "p:P", "artefacts": "a"},
        {"predictor": "p"},
        {"predictor": "p:P", "python": 3.11},
        {"predictor": "p:P", "vertex": {"machine-type": 4}},
        {"predictor": "p:P", "serving": {"max-batch": 0}},
        {"predictor": "p:P", "root": "/"},
    ],
    ids=lambda written: json.dumps(written),
)
def test_what_the_tool_refuses_is_wrong_by_the_schema(written: dict[str, Any]) -> None:
    assert faults("pyproject.json", written)


@pytest.mark.parametrize("machine", ["n1-standard-4", ["n1-standard-4", "n1-standard-8"]])
def test_a_machine_or_a_list_of_them_is_right(machine: Any) -> None:
    assert not faults("pyproject.json", {"predictor": "p:P", "vertex": {"machine-type": machine}})


def test_reports_are_right_by_the_schema() -> None:
    found = Finding(
        "ST110", "no", location=Location("a.py", 1, 2), edits=(Edit("a", "b"),), followers=(Finding("ST302", "too"),)
    )
    for report in (
        Report("check", "failed", [found], {"check": 0.5}),
        Report("smoke", "error", [found], message="no disk", fix="free some"),
    ):
        assert faults("report.json", json.loads(json_report.dumps(json_report.data(report)))) == []
    assert faults("report.json", {"format": 1, "command": "check", "verdict": "green", "findings": []})
