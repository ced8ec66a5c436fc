"""Settings against what Vertex AI has, and requests that it refuses."""

from __future__ import annotations

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.rules.deployment import settings
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of

REAL = [
    ("400 Request payload size exceeds the limit: 1572864 bytes.", "ST725", "1572864 bytes"),
    ("400 The request size (2097300 bytes) exceeds 1.500MB limit.", "ST725", "accepts 1.500MB"),
]  # fmt: skip


@pytest.mark.parametrize("twin", twins_of(settings), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(("text", "code", "message"), REAL, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(REAL)])
def test_a_text_of_the_cloud_is_recognised(text: str, code: str, message: str) -> None:
    (found,) = diagnose(text)
    assert found.code == code
    assert message in found.message
    assert found.fix
