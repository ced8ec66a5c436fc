"""Decides from live answers whether a new version may have more traffic.

Both versions are asked the same golden requests at the same time, by the endpoint's own split. Too little evidence is
never taken for good evidence, and nothing on the server is changed.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.deploy.answers import SHOWN, live_errors, refusal, text_of
from seatrial.deploy.exchange import Question, Reply
from seatrial.deploy.inquiry import Inquiry
from seatrial.deploy.requests import Limits, questions
from seatrial.deploy.statistics import FEWEST, SLACK, Blame, Latency, blame, too_slow
from seatrial.findings import Finding, Stage
from seatrial.rules.deployment import live
from seatrial.serving.interfaces import BATCHED

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint, Platform
    from seatrial.facts.gather import Gathered

EACH = 50  # answers that each version must have given
ALL = 200  # answers of both
_REACHED = 80  # answers to expect where 50 are needed: by chance fewer than 50 come once in some thousand times


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate saw and decided.

    Attributes:
        deployed_model: the new version.
        passed: it may have more traffic.
        percent: its share while it was asked.
        new, former: the answers of either side.
        requests: that were answered or failed; `errors` of them failed.
        blame: whose errors they are, as far as the missing answers show.
        others: answers by deployed models of neither side.
        seconds: how long it took.
    """

    deployed_model: str
    passed: bool
    percent: int
    new: Latency = field(default_factory=Latency)
    former: Latency = field(default_factory=Latency)
    requests: int = 0
    errors: int = 0
    blame: Blame = "nobody"
    others: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def line(self) -> str:
        """Return it in words, for a report."""
        sides = [("new", self.new), ("former", self.former)]
        parts = [
            f"{name} version {side.answers} answers, p50 {side.p50 * 1e3:.0f} ms, p95 {side.p95 * 1e3:.0f} ms"
            for name, side in sides
            if side.answers or name == "new"
        ]
        parts.append(f"{self.errors} of {self.requests} requests failed")
        if self.errors and self.blame != "nobody":
            parts.append({"unclear": "whose errors, is unclear"}.get(self.blame, f"the {self.blame} version's errors"))
        if self.others:
            parts.append(f"{sum(self.others.values())} answers by other deployed models")
        return f"at {self.percent} %: " + " · ".join(parts)


def gate(
    platform: Platform,
    endpoint: Endpoint,
    new: str,
    former: Collection[str],
    gathered: Gathered,
    *,
    interface: str = BATCHED.name,
    limits: Limits | None = None,
) -> Stage[Gate]:
    """Ask both sides until 50 answers of each and 200 in all came, and judge the new one.

    `endpoint` holds the split that is in force; `former` are the deployed models it is compared with, together; if
    none of them has traffic, the new version is judged alone. Findings are ST710, ST711, ST712, ST713 if that was
    not enough to judge, and ST705 or ST720 if the caller may not ask.

    Raises:
        UsageError: golden.json cannot be read.
    """
    limits = limits or Limits.of(gathered.project, platform.traits)
    split = endpoint.traffic_split
    percent = split.get(new, 0)
    asked = questions(gathered.project, interface=interface)
    inquiry = _Comparison(gathered, new, [each for each in former if split.get(each)], percent, asked, limits)
    if not asked or not percent:
        why = "there is nothing to ask it: the project has no golden examples" if percent else "it has no traffic"
        yield live.INCONCLUSIVE.finding(f"deployed model {new} cannot be judged; {why}")
        return inquiry.gate()
    yield from inquiry.run(platform, endpoint)
    return inquiry.gate()


class _Comparison(Inquiry):
    """The counts of a gate, and what they amount to."""

    def __init__(
        self,
        gathered: Gathered,
        new: str,
        former: Collection[str],
        percent: int,
        asked: Sequence[Question],
        limits: Limits,
    ) -> None:
        super().__init__(gathered, new, limits)
        self._former = frozenset(former) - {new}
        self._percent = percent
        self._order = itertools.cycle(asked)
        self._arrived = False
        self._reset()

    def _reset(self) -> None:
        self._seconds: dict[bool, list[float]] = {True: [], False: []}  # by whether the new version answered
        self._others: Counter[str] = Counter()
        self._errors = 0
        self._last: Reply | None = None

    @property
    def over(self) -> bool:
        """Whether the counts are enough to decide."""
        if self._refused is not None or self._wrong:
            return True
        verdict = self._blame
        return (verdict == "new" and self._arrived) or (self._enough and verdict in ("nobody", "former"))

    def choose(self) -> Question | None:
        """Return what to ask next, and forget the errors of a time when the split may not have arrived.

        Answers that were never due look like missing ones then.
        """
        if not self._arrived and self._settled:
            self._arrived = True
            if self._errors:
                self._reset()
        return next(self._order) if self._arrived or self._blame != "new" else None

    def take(self, reply: Reply) -> None:
        """Take a reply into account."""
        if reply.error is not None:
            self._errors += 1
            self._last = reply
            self._refused = reply if reply.refused else None
        elif reply.deployed_model == self._id:
            self._seconds[True].append(reply.seconds)
            self._compare(reply)
        elif reply.deployed_model in self._former:
            self._seconds[False].append(reply.seconds)
        else:
            self._others[reply.deployed_model] += 1

    def line(self) -> str:
        """Return how far it has come, in words."""
        former = f", {len(self._seconds[False])} of the former" if self._former else ""
        return f"{len(self._seconds[True])} answers of the new version{former}, {self._errors} errors"

    def findings(self) -> Iterator[Finding]:
        """Yield why the gate stays shut; nothing if it opens."""
        if self._refused is not None:
            yield refusal(self._refused)
        elif self._wrong:
            yield from list(self._wrong.values())[:SHOWN]
        elif self._last is not None and self._blame == "new":
            yield self._fails(self._last)
        elif not self._enough or self._blame == "unclear":
            yield self._inconclusive()
        elif self._slow:
            new, former = self._latency
            ratio = self._project.vertex.rollout.max_latency_ratio
            yield live.SLOWER.finding(
                f"95 % of the new version's answers came within {new.p95 * 1e3:.0f} ms, of the former one's within "
                f"{former.p95 * 1e3:.0f} ms; allowed are {ratio:g} times that and {SLACK * 1e3:.0f} ms",
                subject=f"deployed model {self._id}",
                evidence=(self.gate().line(),),
            )

    def gate(self) -> Gate:
        """Return the numbers and the decision."""
        new, former = self._latency
        stopped = self._refused is not None or bool(self._wrong) or not self._enough or self._slow
        return Gate(
            self._id,
            passed=not stopped and self._blame in ("nobody", "former"),
            percent=self._percent,
            new=new,
            former=former,
            requests=self._requests,
            errors=self._errors,
            blame=self._blame,
            others=dict(sorted(self._others.items())),
            seconds=time.monotonic() - self._began,
        )

    @property
    def _latency(self) -> tuple[Latency, Latency]:
        return Latency.of(self._seconds[True]), Latency.of(self._seconds[False])

    @property
    def _requests(self) -> int:
        return len(self._seconds[True]) + len(self._seconds[False]) + self._others.total() + self._errors

    @property
    def _enough(self) -> bool:
        new, former = (len(self._seconds[side]) for side in (True, False))
        return new >= EACH and (former >= EACH or not self._former) and new + former >= ALL

    @property
    def _slow(self) -> bool:
        return too_slow(*self._latency, self._project.vertex.rollout.max_latency_ratio)

    @property
    def _blame(self) -> Blame:
        verdict = blame(
            new=len(self._seconds[True]),
            former=len(self._seconds[False]) + self._others.total(),
            errors=self._errors,
            share=self._percent / 100,
            max_error_rate=self._project.vertex.rollout.max_error_rate,
        )
        if verdict != "unclear" or self._percent < 100:
            return verdict
        # With all of the traffic nobody else can have failed; a moment's outage may be outweighed by later answers.
        return "new" if self._enough or self._requests == self._errors >= FEWEST else verdict

    def _fails(self, last: Reply) -> Finding:
        new, former = self._latency
        message = (
            f"{self._errors} of {self._requests} requests failed, by their number those of deployed model {self._id}: "
            f"{text_of(last).splitlines()[0][:200]}"
        )
        whose = (
            f"an error does not name its deployed model; with {self._percent} % of the requests {self._id} gave "
            f"{new.answers} answers, the former gave {former.answers}"
        )
        return live_errors(message, last, self._gathered, (whose,))

    def _inconclusive(self) -> Finding:
        line, particulars = self.gate().line(), {}
        if self._enough:
            line += ": too many errors, and their number does not tell whose they are"
        elif self._limits.requests * self._percent / 100 < _REACHED:
            least = -(-_REACHED * 100 // self._limits.requests)
            particulars["fix"] = (
                f"{self._percent} % of {self._limits.requests} requests are too few for {EACH} answers; begin "
                f"`vertex.rollout.steps` with {least} or more"
            )
        last = (f"last error: {text_of(self._last)}",) if self._last is not None else ()
        return live.INCONCLUSIVE.finding(line, subject=f"deployed model {self._id}", evidence=last, **particulars)
