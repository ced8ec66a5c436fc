"""Files that would ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.findings import Finding
from seatrial.rules.supply import shipped_files
from tests.projects.base import Twin, made
from tests.rules.judging import Judge, seen_by_running, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(shipped_files), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST802"} == seen_by_running(shipped_files)


def test_a_credential_that_would_ship_is_found_before_anything_is_built(tmp_path: Path) -> None:
    (found,) = findings(made(tmp_path, {"predictor/keys/id_rsa": "x"}))
    assert isinstance(found, Finding)
    assert (found.code, str(found.location)) == ("ST801", "predictor/keys/id_rsa")
