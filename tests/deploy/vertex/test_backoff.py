from __future__ import annotations

from seatrial.deploy.vertex.backoff import pause_after
from seatrial.deploy.vertex.target import Limits


def test_pauses_are_bounded_and_not_all_the_same() -> None:
    pauses = {pause_after(Limits(), attempt) for attempt in range(1, 50)}
    assert all(0 < pause <= Limits().cap for pause in pauses)
    assert len(pauses) > 40
