"""Texts of a live endpoint that answers with errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.rules.deployment import live
from tests.diagnosis.test_symptoms import STORED, first
from tests.rules.judging import seen_by_running, texts_of

REAL = [
    # https://github.com/googleapis/python-aiplatform/issues/1526
    ("Invalid response from prediction server - the response field predictions is missing. Response: {}", "ST711",
     "the response field predictions is missing"),
]  # fmt: skip


@pytest.mark.parametrize("name", texts_of(live))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST710", "ST712", "ST713", "ST714", "ST717", "ST718"} == seen_by_running(live)


@pytest.mark.parametrize(("text", "code", "message"), REAL, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(REAL)])
def test_a_text_of_the_cloud_is_recognised(text: str, code: str, message: str) -> None:
    (found,) = diagnose(text)
    assert found.code == code
    assert message in found.message
    assert found.fix
