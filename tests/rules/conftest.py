"""The judge of pairs of projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.findings import Severity
from tests.projects.base import Twin, made
from tests.rules.judging import Judge
from tests.small_project import findings


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Return a function that asserts that the broken project of a pair has exactly its fault, and its twin none."""

    def judged(twin: Twin) -> None:
        if twin.wheels:
            monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
        broken = findings(made(tmp_path / "broken", twin.broken, twin.wheels))
        assert [finding.code for finding in broken] == [twin.code] * twin.count, broken
        assert all((finding.severity is not Severity.ERROR) == twin.warns for finding in broken)
        assert all(finding.message and finding.fix for finding in broken)
        if twin.mended or twin.mended_wheels or twin.wheels:  # else it is the base
            assert findings(made(tmp_path / "mended", twin.mended, twin.mended_wheels or twin.wheels)) == []

    return judged
