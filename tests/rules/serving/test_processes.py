"""Processes: the stored texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.serving import processes
from tests.diagnosis.test_symptoms import STORED, first
from tests.rules.judging import texts_of


@pytest.mark.parametrize("name", texts_of(processes))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule
