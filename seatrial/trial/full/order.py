"""Order and time: a request has one answer, whatever was asked before it and whatever is asked at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from seatrial.findings import Stage, Step
from seatrial.rules.serving.depth import AT_ONCE, CHANGES
from seatrial.trial.full.session import Input, Session
from seatrial.trial.observe import predictions_of
from seatrial.trial.server import Answer

AT_THE_SAME_TIME = 8  # requests; more than the threads of the server that prepare images on most machines
_ROUNDS = 15  # of that many requests


def prove(session: Session) -> Stage[None]:
    """Ask each input twice in a row, backwards, and all of them at once."""
    yield Step("asking each input twice in a row, in another order")
    for one in reversed(session.inputs):
        for _ in range(2):
            if not session.goes_on:
                session.trial.unproven.append(f"answers in another order: {session.why_not}")
                return
            found = yield from session.ask([one], one.name, CHANGES)
            if found is None:
                return
            if where := session.difference(one.answer, found[0]):
                yield CHANGES.finding(f"{one.name}: {where} when it was asked first", subject=one.name)
                return
    yield from _at_once(session)


def _at_once(session: Session) -> Stage[None]:
    """Send different inputs at the same time, again and again."""
    yield Step(f"asking {AT_THE_SAME_TIME} inputs at once, {_ROUNDS} times")
    with ThreadPoolExecutor(AT_THE_SAME_TIME) as threads:
        for number in range(_ROUNDS):
            if not session.goes_on:
                session.trial.unproven.append(f"answers to requests that come at once: {session.why_not}")
                return
            count = len(session.inputs)
            chosen = [session.inputs[(number + at) % count] for at in range(AT_THE_SAME_TIME)]
            asked = [threads.submit(session.send, [one.instance], f"{one.name}, at once with others") for one in chosen]
            for one, answer in zip(chosen, [future.result() for future in asked], strict=True):
                if (yield from _differs(session, one, answer)):
                    return


def _differs(session: Session, one: Input, answer: Answer | None) -> Stage[bool]:
    subject, found = f"{one.name}, at once with {AT_THE_SAME_TIME - 1} others", predictions_of(answer)
    if not found:
        yield from session.failure(answer, subject, AT_ONCE)
        return True
    where = session.difference(one.answer, found[0])
    if where:
        yield AT_ONCE.finding(f"{subject}: {where} alone", subject=one.name)
    return bool(where)
