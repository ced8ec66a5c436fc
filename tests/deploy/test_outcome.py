"""What a deploy leaves for machines: one file, and the outputs of a step."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.outcome import REHEARSAL, STATUSES, Outcome, write
from seatrial.rules.deployment import operations
from tests.small_project import small_project

FINDING = operations.SERVER_DIED.finding("the model server exited", evidence=("KeyError: 7",))
VERSION = "projects/1/locations/us-central1/models/digits@3"


def outcome(**more: Any) -> Outcome:
    values = {"status": "deployed", "target": "vertex", "version": VERSION, "traffic": {"77": 100}}
    return Outcome(**{**values, **more})


def outputs(text: str) -> dict[str, str]:
    """Read a GITHUB_OUTPUT file as the runner does: NAME<<DELIMITER, lines, DELIMITER."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value: list[str] = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        found[name] = "\n".join(value)
    return found


def test_the_file_says_everything_and_its_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    project = small_project(tmp_path, {})
    file = write(project, outcome(seconds={"deploy": 1.23456}, gates=[{"percent": 10, "passed": True}]), [FINDING])
    data = json.loads(file.read_text())
    assert file == project.build_dir / "deploy" / "deploy.json"
    assert [data[key] for key in ("format", "status", "target", "rehearsal", "note")] == [
        1, "deployed", "vertex", False, "",
    ]  # fmt: skip
    assert (data["version"], data["traffic"], data["seconds"]) == (VERSION, {"77": 100}, {"deploy": 1.235})
    assert (data["findings"][0]["code"], data["gates"]) == ("ST701", [{"percent": 10, "passed": True}])
    assert [each.name for each in file.parent.iterdir()] == ["deploy.json"]


def test_a_rehearsal_says_that_nothing_was_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    data = json.loads(write(small_project(tmp_path, {}), outcome(target="local", rehearsal=True), []).read_text())
    assert (data["rehearsal"], data["note"]) == (True, "local rehearsal, nothing created on Google Cloud")
    assert data["note"] == REHEARSAL


def test_the_console_shows_the_endpoint_of_a_deploy_but_none_of_a_rehearsal() -> None:
    endpoint = "projects/p/locations/europe-west4/endpoints/42"
    page = "https://console.cloud.google.com/vertex-ai/online-prediction/locations/europe-west4/endpoints/42?project=p"
    assert outcome(endpoint=endpoint).console == page
    assert outcome(endpoint=endpoint, target="local", rehearsal=True).console == ""
    assert outcome(endpoint="").console == ""


def test_a_status_outside_of_the_list_is_refused() -> None:
    assert len(set(STATUSES)) == 12
    with pytest.raises(ValueError, match="'succeeded' is not a status"):
        outcome(status="succeeded")


def test_a_step_gets_every_value_behind_a_delimiter_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "output"
    file.write_text("earlier<<x\nvalue\nx\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    forged = operations.SERVER_DIED.finding("ended\nstatus<<EOF\ndeployed\nEOF")
    write(small_project(tmp_path / "p", {}), outcome(status="failed", alias="a\nb"), [forged])
    found = outputs(file.read_text())
    assert (found["earlier"], found["status"], found["alias"]) == ("value", "failed", "a\nb")
    assert json.loads(found["traffic"]) == {"77": 100}
    assert json.loads(found["findings"])[0]["message"] == forged.message
    delimiters = re.findall(r"<<(end-[0-9a-f]{32})$", file.read_text(), re.MULTILINE)
    assert len(set(delimiters)) == len(delimiters) == len(found) - 1


def test_a_report_that_cannot_be_written_leaves_the_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    project = small_project(tmp_path, {})
    file = write(project, outcome(), [])
    with pytest.raises(TypeError, match="not JSON serializable"):
        write(project, outcome(status="failed", gates=[{"percent": object()}]), [])
    assert json.loads(file.read_text())["status"] == "deployed"
    assert [each.name for each in file.parent.iterdir()] == ["deploy.json"]
