"""The judge of pairs of projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.findings import Severity
from tests.projects.base import Twin, made
from tests.rules.judging import Judge
from tests.small_project import findings


@pytest.fixture(autouse=True)
def nothing_known(own_cache: Path) -> None:
    """Keep what other tests learnt of the same lock, such as an index that did not answer, out of the judgement."""


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that asserts that the broken project of a pair has exactly its fault, and its twin none."""

    def judged(twin: Twin) -> None:
        broken = findings(made(tmp_path / "broken", twin.broken, twin.wheels, twin.taken))
        assert [finding.code for finding in broken] == [twin.code] * twin.count, broken
        assert all((finding.severity is not Severity.ERROR) == twin.warns for finding in broken)
        assert all(finding.message and finding.fix for finding in broken)
        if twin.mended or twin.mended_wheels or twin.wheels:  # else it is the base
            mended = made(tmp_path / "mended", twin.mended, twin.mended_wheels or twin.wheels, twin.taken)
            assert findings(mended) == []

    return judged
