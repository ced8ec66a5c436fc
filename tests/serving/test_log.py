"""What the log's lines say of requests, and that a burst of refusals does not flood it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.serving import log
from seatrial.serving.origin import NOBODY, Origin

A, B = Origin("a", "projects/p/traces/t"), Origin("b")


@pytest.fixture(autouse=True)
def _about_nothing_again() -> Iterator[None]:
    yield
    log.about()


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_line_says_which_requests_it_is_about(capfd: pytest.CaptureFixture[str]) -> None:
    for origins in ((A,), (A, B), (NOBODY,), ()):
        log.about(*origins)
        log.write("INFO", "x")
    one, both, nobody, none = lines(capfd)
    assert (one["request_id"], one["logging.googleapis.com/trace"]) == ("a", "projects/p/traces/t")
    assert both["request_ids"] == ["a", "b"]
    assert set(nobody) == set(none) == {"severity", "message", "time"}


def test_so_many_lines_a_second_are_written_and_the_next_says_how_many_were_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    limited = log.Limited(2, lambda: now)
    for number in range(5):
        limited.write("INFO", str(number))
    now += 1
    limited.write("INFO", "later")
    limited.write("INFO", "last")
    assert [(line["message"], line.get("left_out")) for line in lines(capfd)] == [
        ("0", None), ("1", None), ("later", 3), ("last", None),
    ]  # fmt: skip
