"""Budgets: the trial of tests/trial/full shows each of these faults."""

from __future__ import annotations

from seatrial.rules.serving import budgets
from tests.rules.judging import seen_by_running


def test_the_pages_say_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert seen_by_running(budgets) == {"ST566", "ST567", "ST568"}
