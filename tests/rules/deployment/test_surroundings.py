"""Faults of a deployment that no predictor causes."""

from __future__ import annotations

from seatrial.rules.deployment import live, operations, preflight
from seatrial.rules.deployment.surroundings import SURROUNDINGS
from tests.rules.judging import rules_of


def test_the_surroundings_are_to_blame_for_what_no_predictor_causes() -> None:
    every = rules_of(operations) | rules_of(live) | rules_of(preflight)
    assert {f"ST{n}" for n in (*range(703, 710), *range(720, 723), 724)} == SURROUNDINGS
    assert every.keys() - SURROUNDINGS == {
        "ST701", "ST702", "ST710", "ST711", "ST712", "ST713", "ST714", "ST715", "ST716", "ST717", "ST718",
        "ST727",
    }  # fmt: skip
