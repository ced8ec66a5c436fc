"""The rules as a whole: their codes, their texts and their pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seatrial.rules import RULES
from seatrial.rules.page import index, page

PAGES = Path(__file__).parent.parent.parent / "docs" / "rules"
COVERAGE = PAGES.parent / "coverage.md"
AGAIN = "run `python -m seatrial.rules.page docs/rules`"


@pytest.mark.parametrize("code", RULES)
def test_the_page_of_a_rule_is_what_the_rule_says(code: str) -> None:
    assert (PAGES / f"{code}.md").read_text(encoding="utf-8") == page(RULES[code]), AGAIN


def test_the_index_names_every_rule_and_no_page_is_without_a_rule() -> None:
    assert (PAGES / "README.md").read_text(encoding="utf-8") == index(), AGAIN
    assert {file.stem for file in PAGES.glob("ST*.md")} == RULES.keys(), AGAIN


@pytest.mark.parametrize("code", RULES)
def test_a_rule_has_a_code_a_fix_and_a_source(code: str) -> None:
    rule = RULES[code]
    assert re.fullmatch(r"ST[1-8]\d\d", code)
    assert rule.title
    assert rule.fix
    assert not rule.fix.endswith(".")
    assert rule.sources
    assert all(source.startswith("https://") for source in rule.sources)


@pytest.mark.parametrize("code", RULES)
def test_the_message_of_a_symptom_is_filled_by_its_pattern(code: str) -> None:
    for symptom in RULES[code].symptoms:
        assert symptom.message.format(**dict.fromkeys(symptom.pattern.groupindex, "x"))


def test_what_is_said_to_find_a_fault_can_find_it() -> None:
    rows = re.findall(r"^\|([^|]+)\|([^|]*)\|([^|]*)\|[^|]*\|$", COVERAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 80
    for fault, checked, otherwise in rows:
        assert all(RULES[code].check for code in re.findall(r"ST\d{3}", checked)), fault
        logged = otherwise.partition("log ")[2]
        told = [RULES[code] for code in re.findall(r"ST\d{3}", logged)]
        assert all(rule.symptoms or rule.recognised for rule in told), fault
        assert checked.strip() or otherwise.strip() or "AIP_" in fault, fault


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.check])
def test_a_rule_of_the_check_says_how_it_finds_and_shows_wrong_and_right(code: str) -> None:
    rule = RULES[code]
    assert rule.detected.endswith(".")
    assert rule.bad
    assert rule.good
    assert rule.bad != rule.good
