"""The contract: the stored texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.serving import contract
from tests.diagnosis.test_symptoms import STORED, first
from tests.rules.judging import seen_by_running, texts_of


@pytest.mark.parametrize("name", texts_of(contract))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST501", "ST502", "ST505", "ST508"} == seen_by_running(contract)
