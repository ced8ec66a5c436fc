"""Every rule that the check decides, on pairs of projects of which only one has the fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.findings import Severity
from seatrial.rules import RULES
from tests.projects.base import Twin, made
from tests.projects.twins import TWINS
from tests.small_project import findings

SPELLINGS = 3  # the fewest that a rule must recognise


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twin: Twin
) -> None:
    if twin.wheels:
        monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    broken = findings(made(tmp_path / "broken", twin.broken, twin.wheels))
    assert [finding.code for finding in broken] == [twin.code] * twin.count, broken
    assert all((finding.severity is not Severity.ERROR) == twin.warns for finding in broken)
    assert all(finding.message and finding.fix for finding in broken)
    if twin.mended or twin.mended_wheels or twin.wheels:  # else it is the base
        assert findings(made(tmp_path / "mended", twin.mended, twin.mended_wheels or twin.wheels)) == []


def test_the_base_of_all_pairs_has_no_fault(tmp_path: Path) -> None:
    assert findings(made(tmp_path, {})) == []


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.check])
def test_a_rule_of_the_check_has_pairs_in_several_spellings(code: str) -> None:
    names = [twin.name for twin in TWINS if twin.code == code]
    assert len(set(names)) == len(names)
    assert len(names) >= SPELLINGS
