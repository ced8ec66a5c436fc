"""The container's log: what is asked of Cloud Logging, and which lines come of it."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.api_core.exceptions import PermissionDenied

from seatrial.deploy.vertex import logs
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.logs import container_log, how_to_look, log_filter
from seatrial.deploy.vertex.target import TARGETS, Target, vertex
from seatrial.emulator.api.faults import Fault
from tests.deploy.services import PROJECT, Around, running
from tests.stages import ended

ENDPOINT, DEPLOYED = "digits", "1234567890"


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Around, Vertex]]:
    monkeypatch.setitem(TARGETS, "local", replace(TARGETS["local"], log_pause=0.02))
    with running(tmp_path) as both:
        yield both


def read(vertex: Vertex, *, wait: float = 0.3, since: float = 0.0) -> list[str]:
    return ended(container_log(vertex, ENDPOINT, DEPLOYED, since, wait=wait)).value


def test_text_and_fields_both_become_lines_in_their_order(around: tuple[Around, Vertex]) -> None:
    services, vertex = around
    services.write(
        "plain text",
        '{"severity": "ERROR", "message": "load failed", "traceback": "Traceback:\\n  File x\\nKeyError: 7\\n"}',
        '{"severity": "INFO", "step": 3}',
    )
    assert read(vertex) == ["plain text", "load failed", "Traceback:", "  File x", "KeyError: 7", '{"step": 3}']


def test_only_the_deployed_model_on_its_endpoint_since_then_is_read(around: tuple[Around, Vertex]) -> None:
    services, vertex = around
    services.write("another's", deployed="99")
    services.write("elsewhere", endpoint="other")
    services.write("ours")
    assert read(vertex, since=time.time()) == ["ours"]
    assert read(vertex, since=time.time() + 3600) == []


def test_every_page_is_read_up_to_a_bound(around: tuple[Around, Vertex], monkeypatch: pytest.MonkeyPatch) -> None:
    services, vertex = around
    services.write(*(f"line {number}" for number in range(10)))
    monkeypatch.setattr(logs, "PAGE", 3)
    assert read(vertex) == [f"line {number}" for number in range(10)]
    monkeypatch.setattr(logs, "PAGES", 2)
    assert read(vertex) == [f"line {number}" for number in range(6)]


def test_lines_that_arrive_late_are_waited_for(around: tuple[Around, Vertex]) -> None:
    services, vertex = around
    late = threading.Timer(0.15, services.write, ("late",))
    late.start()
    try:
        assert read(vertex, wait=10.0) == ["late"]
    finally:
        late.join()


def test_an_empty_log_is_asked_for_until_the_time_is_up(around: tuple[Around, Vertex]) -> None:
    services, vertex = around
    services.write("withheld")
    services.faults.add(Fault(empty_logs=True))
    assert read(vertex, wait=0.2) == []
    assert len(services.asked) > 2


def test_a_refused_log_says_so(around: tuple[Around, Vertex]) -> None:
    services, vertex = around
    services.faults.add(Fault(denied=frozenset(("logging.logEntries.list",))))
    with pytest.raises(PermissionDenied, match=r"logging\.logEntries\.list"):
        read(vertex)


def test_vertex_waits_out_a_minute_and_a_half_of_ingestion() -> None:
    assert {name: kind.ingestion for name, kind in TARGETS.items()} == {"local": 3.0, "vertex": 90.0}


def test_the_filter_names_endpoint_place_deployed_model_and_time() -> None:
    assert log_filter(vertex(PROJECT, "europe-west4"), "e", "7", 1_700_000_060.0) == (
        'resource.type="aiplatform.googleapis.com/Endpoint" AND resource.labels.endpoint_id="e" '
        'AND resource.labels.location="europe-west4" AND labels.deployed_model_id="7" '
        'AND timestamp>="2023-11-14T22:13:20Z"'
    )


def test_by_hand_on_vertex_there_are_a_query_a_link_and_a_command() -> None:
    query, link, command = how_to_look(vertex(PROJECT, "us-central1"), "e", "7")
    assert link.startswith("console: https://console.cloud.google.com/logs/query;query=resource.type%3D%22aiplatform")
    assert link.endswith(f"?project={PROJECT}")
    words = shlex.split(command.removeprefix("command: "))
    assert words[:3] == ["gcloud", "logging", "read"]
    assert words[3] == query.removeprefix("query: ")


def test_a_rehearsal_names_no_console_that_has_nothing_to_show() -> None:
    local = Target("local", PROJECT, "us-central1", "127.0.0.1:1")
    assert [line.split(":")[0] for line in how_to_look(local, "e", "7")] == ["query"]
