"""What must exist before anything slow begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.findings import Severity
from seatrial.rules.deployment import preflight
from tests.diagnosis.test_symptoms import STORED, first
from tests.rules.judging import rules_of, seen_by_running, texts_of

REAL = [
    ("Your default credentials were not found. To set up Application Default Credentials, see https://", "ST720",
     "no Application Default Credentials"),
    ("401 Request had invalid authentication credentials. Expected OAuth 2 access token", "ST720", "not accepted"),
    ("Vertex AI API has not been used in project 1234 before or it is disabled. Enable it by visiting https://",
     "ST721", "the Vertex AI API is not enabled in project 1234"),
]  # fmt: skip


@pytest.mark.parametrize("name", texts_of(preflight))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST715", "ST716", "ST722", "ST724", "ST727"} == seen_by_running(preflight)


@pytest.mark.parametrize(("text", "code", "message"), REAL, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(REAL)])
def test_a_text_of_the_cloud_is_recognised(text: str, code: str, message: str) -> None:
    (found,) = diagnose(text)
    assert found.code == code
    assert message in found.message
    assert found.fix


def test_what_stays_running_is_said_without_failing_anything() -> None:
    assert [code for code, rule in rules_of(preflight).items() if rule.severity is not Severity.ERROR] == ["ST727"]
