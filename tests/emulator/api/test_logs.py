"""What deployed models print, queried like Cloud Logging."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api.hosting import Placement
from seatrial.emulator.api.logs import Logs, QueryError, parsed
from tests.emulator.wire import discovery


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    made = Logs(tmp_path / "logs")
    made.write(placed("1"), '{"severity": "INFO", "message": "ready", "load_seconds": 0.5}')
    made.write(placed("1"), "Traceback (most recent call last):", error=True)
    made.write(placed("2"), "a plain line")
    made.write(placed("2", "other"), '{"severity": "CRITICAL", "message": "no such weights"}')
    return made


def placed(deployed: str, endpoint: str = "digits") -> Placement:
    return Placement("123456789012", "us-central1", endpoint, deployed, v1.Model(), v1.MachineSpec())


def found(logs: Logs, query: str, **request: Any) -> list[str]:
    """Return the texts of the entries that a filter finds."""
    answer = logs.answer({"resourceNames": ["projects/demo"], "filter": query, **request})
    return [e.get("textPayload") or e["jsonPayload"]["message"] for e in answer.get("entries", [])]


def test_the_deployers_filter_finds_the_entries_of_one_deployed_model_in_order(logs: Logs) -> None:
    query = (
        'resource.type="aiplatform.googleapis.com/Endpoint" AND resource.labels.endpoint_id="digits" AND '
        'resource.labels.location="us-central1" AND labels.deployed_model_id="1" AND timestamp>="2020-01-01T00:00:00Z"'
    )
    assert found(logs, query) == ["ready", "Traceback (most recent call last):"]


def test_comparisons_may_be_on_separate_lines_and_quotes_may_be_omitted(logs: Logs) -> None:
    assert found(logs, "labels.deployed_model_id=2\nresource.labels.endpoint_id=other") == ["no such weights"]


def test_a_severity_is_compared_by_its_rank_and_standard_error_is_an_error(logs: Logs) -> None:
    assert found(logs, "severity>=ERROR") == ["Traceback (most recent call last):", "no such weights"]
    assert found(logs, "severity<ERROR") == ["ready", "a plain line"]


def test_times_are_compared_as_times(logs: Logs) -> None:
    assert found(logs, 'timestamp>="2999-01-01T00:00:00+02:00"') == []
    assert len(found(logs, 'timestamp<"2999-01-01T00:00:00+02:00"')) == 4


def test_text_is_searched_and_inequality_is_supported(logs: Logs) -> None:
    assert found(logs, 'textPayload:"PLAIN"') == ["a plain line"]
    assert found(logs, 'labels.deployed_model_id!="2" jsonPayload.load_seconds=0.5') == ["ready"]


def test_pages_come_to_an_end_and_newest_may_come_first(logs: Logs) -> None:
    request = {"resourceNames": ["projects/demo"], "pageSize": 3, "orderBy": "timestamp desc"}
    first = logs.answer(request)
    second = logs.answer({**request, "pageToken": first["nextPageToken"]})
    assert [len(first["entries"]), len(second["entries"])] == [3, 1]
    assert "nextPageToken" not in second
    times = [entry["timestamp"] for entry in first["entries"] + second["entries"]]
    assert times == sorted(times, reverse=True)


def test_entries_outlive_the_emulator_and_an_incomplete_line_is_skipped(logs: Logs, tmp_path: Path) -> None:
    with (tmp_path / "logs/digits-1.jsonl").open("a") as file:
        file.write('{"insertId": "half')
    assert len(found(Logs(tmp_path / "logs"), "")) == 4


@pytest.mark.parametrize(
    "query", ['a="1" OR b="2"', "NOT a=1", "(a=1)", "just words", 'timestamp>="noon"', "severity=BAD"]
)
def test_an_unsupported_filter_is_refused_and_not_ignored(query: str) -> None:
    with pytest.raises(QueryError):
        parsed(query)


@pytest.mark.parametrize(
    "wrong", [{"orderBy": "severity"}, {"pageSize": -1}, {"pageToken": "x"}, {"pageToken": "²"}, {"resourceNames": []}]
)
def test_a_request_that_logging_would_refuse_is_refused(logs: Logs, wrong: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        logs.answer({"resourceNames": ["projects/demo"], **wrong})


def test_answers_follow_googles_discovery_document_of_logging(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    published(monkeypatch, "logging.v2")
    request = {"resourceNames": ["projects/demo"], "pageSize": 2, "filter": "severity>=INFO"}
    assert discovery.problems(request, "ListLogEntriesRequest") == []
    assert discovery.problems(logs.answer(request), "ListLogEntriesResponse") == []


def published(monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    """Check answers against the discovery document of another API."""
    text = (files("googleapiclient") / f"discovery_cache/documents/{api}.json").read_text("utf-8")
    monkeypatch.setattr(discovery, "document", lambda: json.loads(text))
