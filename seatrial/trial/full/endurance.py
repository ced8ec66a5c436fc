"""Endurance: hundreds of golden requests, each answer compared, and what the server uses measured along the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seatrial.findings import Finding, Stage, Step
from seatrial.rules.serving.depth import CHANGES, GROWS
from seatrial.trial.full.equal import difference
from seatrial.trial.full.session import Session
from seatrial.trial.full.slope import Rise, rise
from seatrial.trial.inside.usage import Usage

REQUESTS = 500
_WARM = 100  # requests before the first measurement that counts: pools fill, libraries load their parts
_AGAIN = 250  # requests of a second series, which must confirm a rise
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
        is_bytes: whether it is counted in bytes.
    """

    name: str
    floor: int
    steep: int
    is_bytes: bool = False


QUANTITIES = {
    "memory": Quantity("memory", 1_000_000, 1_000_000_000, is_bytes=True),
    "shared": Quantity("shared memory", 1_000_000, 1_000_000_000, is_bytes=True),
    "threads": Quantity("threads", 4, 1_000),
    "descriptors": Quantity("open files", 4, 500),
    "processes": Quantity("processes", 4, 100),
    "files": Quantity("temporary files", 4, 20_000),
    "bytes": Quantity("bytes of temporary files", 500_000, 1_000_000_000, is_bytes=True),
}


@dataclass(slots=True)
class Series:
    """What was measured so far: how many requests were sent, and what the server used then."""

    before: Usage
    points: list[tuple[int, Usage]] = field(default_factory=list)

    def rises(self, first: int = 0) -> dict[str, Rise]:
        """Return the quantities that rise steadily from request `first` on."""
        found = {}
        for name, quantity in QUANTITIES.items():
            points = [(at, used[name]) for at, used in self.points if at >= first and name in used]
            if one := rise(points, quantity.floor):
                found[name] = one
        return found

    @property
    def is_steep(self) -> bool:
        """Whether so much was added that going on would harm this machine."""
        now = self.points[-1][1] if self.points else {}
        return any(now.get(name, 0) - self.before.get(name, 0) > one.steep for name, one in QUANTITIES.items())


def prove(session: Session) -> Stage[None]:
    """Send `REQUESTS` golden requests one after the other; then judge the answers and what the server uses."""
    before, every = session.server.usage(), session.server.requests_a_measurement
    session.trial.unproven += _unread(before)
    series = Series(before)
    yield from _run(session, REQUESTS, every, series)
    rises = series.rises(0 if series.is_steep else _WARM)
    if rises and session.goes_on and not series.is_steep:
        yield Step(f"{_named(rises)} rise; asking {_AGAIN} times more to be sure")
        again = Series(before)
        yield from _run(session, _AGAIN, every, again)
        rises = {name: one for name, one in rises.items() if name in again.rises()}
    yield from _grows(rises)
    if series.is_steep and rises:
        session.over = f"the server uses more and more: {_named(rises)}"
    elif series.is_steep:
        session.trial.unproven.append(f"{REQUESTS} requests in a row: the server used far more after some of them")


def _named(rises: dict[str, Rise]) -> str:
    return ", ".join(QUANTITIES[name].name for name in rises)


def _unread(used: Usage) -> Iterator[str]:
    unread = [one.name for name, one in QUANTITIES.items() if name not in used]
    if unread:
        yield f"that {', '.join(unread)} do not grow: they cannot be read here"


def _run(session: Session, requests: int, every: int, series: Series) -> Stage[None]:
    """Send requests and measure; end early if answers change, the time is up, or the server uses far more."""
    changed = 0
    for number in range(requests):
        if not session.goes_on:
            session.trial.unproven.append(f"{requests - number} of {requests} requests: {session.why_not}")
            return
        if number % every == 0:
            series.points.append((number, session.server.usage()))
            if series.is_steep:
                every = 1
                if len(series.points) >= _ENOUGH:
                    return
        if number % 100 == 0:
            yield Step(f"request {number} of {requests}")
        one = session.inputs[number % len(session.inputs)]
        found = yield from session.ask([one], f"{one.name}, request {number + 1}", CHANGES)
        if found is None:
            session.over = session.over or "a golden request was not answered any more"
            return
        if where := difference(one.answer, found[0], session.trial.tolerance):
            changed += 1
            if changed == 1:
                message = f"{one.name}, request {number + 1}: {where} when it was asked first"
                yield CHANGES.finding(message, subject=one.name)
            if changed == _CHANGED:
                session.over = "answers change"
                return


def _grows(rises: dict[str, Rise]) -> Iterator[Finding]:
    for name, one in rises.items():
        quantity = QUANTITIES[name]
        yield GROWS.finding(
            f"{quantity.name}: {_amount(one.rate, quantity)} more with each request, "
            f"{_amount(one.total, quantity)} over {one.requests} requests",
            subject=quantity.name,
            cause=f"at one request a second that is {_amount(one.rate * _DAY, quantity)} a day",
        )


def _amount(value: float, quantity: Quantity) -> str:
    if not quantity.is_bytes:
        return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:.0f} bytes"
