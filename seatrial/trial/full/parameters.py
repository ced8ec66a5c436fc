"""Parameters: an empty object, a key that the predictor does not know, and different ones side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seatrial.findings import Stage, Step
from seatrial.rules.serving.depth import AT_ONCE, PARAMETERS
from seatrial.trial.full.session import Session
from seatrial.trial.observe import predictions_of

_SENT: tuple[tuple[str, Any], ...] = (
    ("with empty parameters", {}),
    ("with a parameter that it does not know", {"seatrial_unknown": 1}),
)
_ROUNDS = 5


def prove(session: Session) -> Stage[None]:
    """Send each kind of parameters alone, then all kinds at the same time."""
    one = session.inputs[0]
    kinds: list[tuple[Any, Any]] = [(None, one.answer)]
    for what, given in _SENT:
        yield Step(f"a request {what}")
        answer = session.send([one.instance], f"{one.name} {what}", given)
        found = predictions_of(answer)
        if found:
            kinds.append((given, found[0]))
        elif answer is None or answer.status >= 500:
            yield from session.failure(answer, f"{one.name} {what}", PARAMETERS)
            return
    with ThreadPoolExecutor(len(kinds)) as threads:
        for _ in range(_ROUNDS):
            asked = [threads.submit(session.send, [one.instance], one.name, given) for given, _ in kinds]
            for (given, before), answer in zip(kinds, [future.result() for future in asked], strict=True):
                found = predictions_of(answer)
                where = session.difference(before, found[0]) if found else "there is no answer"
                if where:
                    yield AT_ONCE.finding(
                        f"{one.name} with parameters {given}, at once with other parameters: {where} alone",
                        subject=one.name,
                    )
                    return
