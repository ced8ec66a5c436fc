"""Folding: what follows from another finding is under it, and nothing is lost."""

from __future__ import annotations

from seatrial.findings import LOCK, REQUIREMENTS, Finding, Severity, folded, that_follow, unfolded

NO_REQUIREMENTS = Finding("ST101", "no requirements.in", lacks=REQUIREMENTS)
NO_LOCK = Finding("ST101", "no lock", lacks=LOCK, rests_on=(REQUIREMENTS,))
NO_TORCH = Finding("ST110", "torch", lacks="distribution torch", rests_on=(REQUIREMENTS,))
PICKLE = Finding("ST302", "a pickle", rests_on=("distribution torch",))
DOUBT = Finding("ST803", "a doubt", Severity.WARNING, rests_on=(LOCK,))
OTHER = Finding("ST203", "other")


def test_all_that_rests_on_a_piece_is_under_its_lack_however_far() -> None:
    found = [PICKLE, OTHER, NO_REQUIREMENTS, NO_LOCK, NO_TORCH, DOUBT]
    other, root = folded(found)
    assert other == OTHER
    assert root.followers == (PICKLE, NO_LOCK, NO_TORCH, DOUBT)
    assert sorted(f.message for f in unfolded(folded(found))) == sorted(f.message for f in found)


def test_nothing_is_folded_while_its_piece_is_there() -> None:
    assert folded([PICKLE, NO_LOCK, OTHER]) == [PICKLE, NO_LOCK, OTHER]


def test_an_error_is_never_hidden_under_a_warning() -> None:
    warning = Finding("ST110", "torch", Severity.WARNING, lacks="distribution torch")
    assert folded([warning, PICKLE]) == [warning, PICKLE]


def test_what_follows_is_counted_by_code() -> None:
    assert that_follow(["ST110", "ST302", "ST110"]) == "3 more that follow (2 ST110, 1 ST302)"
    assert that_follow(["ST110"]) == "1 more that follows (1 ST110)"
    assert that_follow([]) == ""
