"""Depth: the trial of tests/trial/full shows each of these faults."""

from __future__ import annotations

from seatrial.rules.serving import depth
from tests.rules.judging import seen_by_running


def test_the_pages_say_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {f"ST{number}" for number in (560, 561, 562, 563, 564, 565, 569, 570, 571)} == seen_by_running(depth)
