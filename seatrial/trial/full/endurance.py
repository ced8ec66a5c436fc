"""Endurance: hundreds of golden requests, each answer compared, and what the server uses measured along the way.

Then images that differ a little, each sent once: a cache by image grows only with them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from seatrial.findings import Finding, Stage, Step
from seatrial.rules.serving.depth import CHANGES, GROWS, ODD_INPUT
from seatrial.samples import variants
from seatrial.trial.full.session import Session
from seatrial.trial.full.slope import Point, Rise, rise
from seatrial.trial.inside.usage import Usage
from seatrial.trial.observe import predictions_of
from seatrial.trial.server import Server

REQUESTS = 500
_WARM = 100  # requests before the first measurement that counts: pools fill, libraries load their parts
_AGAIN = 250  # requests of a second series, which must confirm a rise
_UNSEEN = 200  # images that differ, in a series of theirs
_UNSEEN_WARM = 40
_SECONDS, _LINES = "quickest", "lines"  # the quickest answer between two measurements: others had to wait
_COSTS = (_SECONDS, _LINES)  # of one request; they must also double
_DAY = 86_400  # requests, at one a second
_CHANGED = 3  # answers that differ end the series
_ENOUGH = 12  # measurements that show a steep rise


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that a server uses.

    Attributes:
        name: in words.
        floor: the least rise over a series that counts. Sound predictors added at most 90 kB of memory in 400 requests
            (the demo, the examples and one without torch, on 2 busy cores).
        steep: a rise that ends the trial, because more would harm this machine.
        unit: `B` for bytes, `ms`, or "" for things that are counted.
    """

    name: str
    floor: int
    steep: int
    unit: str = ""


QUANTITIES = {
    "memory": Quantity("memory", 1_000_000, 1_000_000_000, "B"),
    "shared": Quantity("shared memory", 1_000_000, 1_000_000_000, "B"),
    "threads": Quantity("threads", 4, 1_000),
    "descriptors": Quantity("open files", 4, 500),
    "processes": Quantity("processes", 4, 100),
    "files": Quantity("temporary files", 4, 20_000),
    "bytes": Quantity("bytes of temporary files", 500_000, 1_000_000_000, "B"),
    _SECONDS: Quantity("time of an answer", 20, 0, "ms"),
    _LINES: Quantity("lines of the log for a request", 4, 0),
}


@dataclass(slots=True)
class Series:
    """What was measured so far: how many requests were sent, and what the server used then."""

    before: Usage
    points: list[tuple[int, Usage]] = field(default_factory=list)

    def measure(self, number: int, server: Server, quickest: float = math.inf) -> None:
        """Measure what the server uses before request `number`."""
        used = server.usage() | {_LINES: len(server.log)}
        if quickest < math.inf:
            used[_SECONDS] = round(quickest * 1000)
        self.points.append((number, used))

    def rises(self, first: int = 0, *, again: bool = False) -> dict[str, Rise]:
        """Return the quantities that rise steadily from request `first` on; `again` if they did before, too.

        A second series is shorter: of what rises at the same rate it sees less.
        """
        part = min(1.0, _AGAIN / (REQUESTS - _WARM)) if again else 1.0
        found = {}
        for name, quantity in QUANTITIES.items():
            points: list[Point] = [(at, used[name]) for at, used in self.points if at >= first and name in used]
            if name == _LINES:
                points = _per_request(points)
            if one := rise(points, quantity.floor * part, doubles=name in _COSTS and not again):
                found[name] = one
        return found

    @property
    def is_steep(self) -> bool:
        """Whether so much was added that going on would harm this machine."""
        now = self.points[-1][1] if self.points else {}
        return any(
            now.get(name, 0) - self.before.get(name, 0) > one.steep
            for name, one in QUANTITIES.items()
            if name not in _COSTS
        )


def _per_request(points: list[Point]) -> list[Point]:
    """Return what each request took between two measurements of what all took together."""
    return [(to, (now - before) / (to - since)) for (since, before), (to, now) in pairwise(points)]


def prove(session: Session) -> Stage[None]:
    """Send `REQUESTS` golden requests one after the other; then judge the answers and what the server uses."""
    before, every = session.server.usage(), session.server.requests_a_measurement
    session.trial.measured.seconds_alone = []  # of more requests than the default depth has sent
    session.trial.unproven += _unread(before)
    series = Series(before)
    yield from _run(session, REQUESTS, every, series)
    rises = series.rises(0 if series.is_steep else _WARM)
    if rises and session.goes_on and not series.is_steep:
        yield Step(f"{_named(rises)} rise; asking {_AGAIN} times more to be sure")
        again = Series(before)
        yield from _run(session, _AGAIN, every, again)
        rises = {name: one for name, one in rises.items() if name in again.rises(again=True)}
    yield from _grows(rises, "request")
    if series.is_steep and rises:
        session.over = f"the server uses more and more: {_named(rises)}"
    elif series.is_steep:
        session.trial.unproven.append(f"{REQUESTS} requests in a row: the server used far more after some of them")
    elif not rises and session.goes_on:
        rises = yield from _unseen(session, 0, every)
        if rises and session.goes_on:
            more = yield from _unseen(session, _UNSEEN, every)
            yield from _grows({name: one for name, one in more.items() if name in rises}, "new image")


def _unseen(session: Session, first: int, every: int) -> Stage[dict[str, Rise]]:
    """Send images that differ, numbered from `first` on, and return what rises; nothing if they are not answered."""
    one = next((one for one in session.inputs if variants.image_of(one.instance)), None)
    data = one and variants.image_of(one.instance)
    if one is None or not data:
        return {}
    yield Step(f"{_UNSEEN} images that differ")
    series = Series(session.server.usage())
    for number in range(_UNSEEN):
        if number % every == 0:
            series.measure(number, session.server)
        instance = variants.replaced(one.instance, variants.unseen(data, first + number))
        subject = f"{one.name} as a small image that it has not seen"
        answer = session.send([instance], subject)
        if answer is None:
            yield from session.failure(answer, subject, ODD_INPUT)
        if predictions_of(answer) is None or series.is_steep or not session.goes_on:
            break  # why an answer is none is judged with the other inputs
    return series.rises(_UNSEEN_WARM)


def _named(rises: dict[str, Rise]) -> str:
    return ", ".join(QUANTITIES[name].name for name in rises)


def _unread(used: Usage) -> Iterator[str]:
    unread = [one.name for name, one in QUANTITIES.items() if name not in used and name not in _COSTS]
    if unread:
        yield f"that {', '.join(unread)} do not grow: they cannot be read here"


def _run(session: Session, requests: int, every: int, series: Series) -> Stage[None]:
    """Send requests and measure; end early if answers change, the time is up, or the server uses far more."""
    changed, quickest = 0, math.inf
    for number in range(requests):
        if not session.goes_on:
            session.trial.unproven.append(f"{requests - number} of {requests} requests: {session.why_not}")
            return
        if number % every == 0:
            series.measure(number, session.server, quickest)
            quickest = math.inf
            if series.is_steep:
                every = 1
                if len(series.points) >= _ENOUGH:
                    return
        if number % 100 == 0:
            yield Step(f"request {number} of {requests}")
        one = session.inputs[number % len(session.inputs)]
        began = time.monotonic()
        found = yield from session.ask([one], f"{one.name}, request {number + 1}", CHANGES)
        seconds = time.monotonic() - began
        quickest = min(quickest, seconds)
        session.trial.measured.seconds_alone.append(round(seconds, 5))
        if found is None:
            session.over = session.over or "a golden request was not answered any more"
            return
        if where := session.changed(one.answer, found[0]):
            changed += 1
            if changed == 1:
                message = f"{one.name}, request {number + 1}: {where} when it was asked first"
                yield CHANGES.finding(message, subject=one.name)
            if changed == _CHANGED:
                session.over = "answers change"
                return


def _grows(rises: dict[str, Rise], what: str) -> Iterator[Finding]:
    for name, one in rises.items():
        quantity = QUANTITIES[name]
        yield GROWS.finding(
            f"{quantity.name}: {_amount(one.rate, quantity)} more with each {what}, "
            f"{_amount(one.total, quantity)} over {one.requests} {what}s",
            subject=quantity.name,
            cause=f"at one {what} a second that is {_amount(one.rate * _DAY, quantity)} a day",
        )


def _amount(value: float, quantity: Quantity) -> str:
    if quantity.unit == "ms":
        return f"{value / 1000:,.0f} s" if value >= 1000 else f"{value:.2g} ms"
    if not quantity.unit:
        return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:.0f} bytes"
