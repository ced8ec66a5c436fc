"""Load: several clients ask at once, as fast as they are answered; the rate and the times are measured, not judged.

The clients run on the processors of the server. What is measured is therefore less than the server could do alone.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from seatrial.findings import Stage, Step
from seatrial.rules.serving.depth import AT_ONCE
from seatrial.trial.full.session import Input, Session
from seatrial.trial.observe import predictions_of
from seatrial.trial.server import Answer

CLIENTS = 8
SECONDS = 2.0
_MOST = 2_000  # requests of one client; a predictor that answers at once needs no more to show it

Asked = tuple[Input, float, Answer | None]  # what was sent, the seconds until its answer, and the answer


def prove(session: Session) -> Stage[None]:
    """Let clients ask for a while, note how fast they were answered, and yield why one was not."""
    yield Step(f"{CLIENTS} clients ask for {SECONDS:g} s")
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as threads:
        each = threads.map(lambda number: _client(session, number, began + SECONDS), range(CLIENTS))
        asked = [one for client in each for one in client]
    took = time.monotonic() - began
    unanswered = next(((one, answer) for one, _, answer in asked if not predictions_of(answer)), None)
    if unanswered:
        yield from session.failure(unanswered[1], f"{unanswered[0].name}, from {CLIENTS} clients at once", AT_ONCE)
        return
    measured = session.trial.measured
    measured.clients, measured.answers_a_second = CLIENTS, round(len(asked) / took, 1)
    measured.seconds_at_once = [round(seconds, 5) for _, seconds, _ in asked]
    yield Step(f"{measured.answers_a_second:.0f} answers a second to {CLIENTS} clients")


def _client(session: Session, first: int, deadline: float) -> list[Asked]:
    """Ask one input after the other, beginning with another one than other clients; end with what is not answered."""
    done: list[Asked] = []
    for number in range(first, first + _MOST):
        one = session.inputs[number % len(session.inputs)]
        began = time.monotonic()
        if began > deadline or session.over:
            break
        answer = session.send([one.instance], f"{one.name}, from one of {CLIENTS} clients")
        done.append((one, time.monotonic() - began, answer))
        if not predictions_of(answer):
            break
    return done
