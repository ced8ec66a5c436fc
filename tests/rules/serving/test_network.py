"""The network: the pairs of projects and the stored texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.serving import network
from tests.diagnosis.test_symptoms import STORED, first
from tests.projects.base import Twin
from tests.rules.judging import Judge, texts_of, twins_of


@pytest.mark.parametrize("twin", twins_of(network), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize("name", texts_of(network))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule
