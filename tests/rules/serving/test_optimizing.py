"""Optimizing: tests/trial/test_optimized.py shows each of these faults."""

from __future__ import annotations

from seatrial.rules.serving import optimizing
from tests.rules.judging import seen_by_running


def test_the_pages_say_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert seen_by_running(optimizing) == {"ST572", "ST573"}
