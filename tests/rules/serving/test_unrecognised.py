"""What is not recognised: that the rule says so of itself. What it tells is tested with the diagnosis."""

from __future__ import annotations

from seatrial.rules.rule import Telling
from seatrial.rules.serving.unrecognised import UNRECOGNISED


def test_it_tells_less_than_any_rule_that_recognises_something() -> None:
    assert UNRECOGNISED.telling is Telling.NAMELESS
    assert UNRECOGNISED.recognised
