"""Installed: what only running shows."""

from __future__ import annotations

from seatrial.rules.lock import installed
from tests.rules.judging import seen_by_running


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST111", "ST113"} == seen_by_running(installed)
