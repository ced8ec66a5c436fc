"""The pairs of projects of which only one has a fault: the base of all, and how many each rule has.

Each is judged by the test of the module where its rule stands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules import RULES
from tests.projects.base import made
from tests.projects.twins import TWINS
from tests.small_project import findings

SPELLINGS = 3  # the fewest that a rule must recognise


def test_the_base_of_all_pairs_has_no_fault(tmp_path: Path) -> None:
    assert findings(made(tmp_path, {})) == []


def test_every_pair_is_of_a_rule() -> None:
    assert {twin.code for twin in TWINS} <= RULES.keys()


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.check])
def test_a_rule_of_the_check_has_pairs_in_several_spellings(code: str) -> None:
    names = [twin.name for twin in TWINS if twin.code == code]
    assert len(set(names)) == len(names)
    assert len(names) >= SPELLINGS
