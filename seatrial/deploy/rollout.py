"""Decides from live answers whether a new version may have more traffic, and how a split gives it more.

Both versions are asked the same golden requests at the same time, by the endpoint's own split. Too little evidence is
never taken for good evidence, and nothing on the server is changed.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.answers import SHOWN, differences, live_errors, refusal, text_of
from seatrial.deploy.evidence import FEWEST, SLACK, Blame, Latency, blame, too_slow
from seatrial.deploy.vertex.asking import Limits, Progress, Question, Reply, questions, replies
from seatrial.findings import Finding, Stage
from seatrial.rules.deployment import live
from seatrial.serving.interfaces import BATCHED
from seatrial.trial.parity import Drift

if TYPE_CHECKING:
    from seatrial.deploy.vertex.client import Vertex
    from seatrial.project import Project

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
        blame: whose the errors are, as far as the missing answers tell.
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
        """Say it for a report."""
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
    vertex: Vertex,
    endpoint: v1.Endpoint,
    new: str,
    former: Collection[str],
    project: Project,
    *,
    interface: str = BATCHED.name,
    limits: Limits | None = None,
) -> Stage[Gate]:
    """Ask both sides until 50 answers of each and 200 in all came, and judge the new one.

    `endpoint` holds the split that is in force; `former` are the deployed models it is compared with, together; where
    none of them has traffic, the new version is judged alone. Findings are ST710, ST711, ST712, ST713 where that was
    not enough to judge, and ST705 or ST720 where the caller may not ask.

    Raises:
        UsageError: golden.json cannot be read.
    """
    limits = limits or Limits.of(project, vertex.target.kind)
    split = dict(endpoint.traffic_split)
    percent = split.get(new, 0)
    asked = questions(project, interface=interface)
    inquiry = _Inquiry(project, new, [each for each in former if split.get(each)], percent, limits)
    if not asked or not percent:
        why = "there is nothing to ask it: the project has no golden examples" if percent else "it has no traffic"
        yield live.INCONCLUSIVE.finding(f"deployed model {new} cannot be judged; {why}")
        return inquiry.gate()
    progress = Progress()
    order = itertools.cycle(asked)

    def choose() -> Question | None:
        return next(order) if inquiry.wants() else None

    with contextlib.closing(replies(vertex, endpoint, choose, limits)) as stream:
        for reply in stream:
            if reply is not None:
                inquiry.take(reply)
            if inquiry.over:
                break
            yield from progress.line(inquiry.line)
    yield from inquiry.findings()
    return inquiry.gate()


def split_for(former: Mapping[str, int], new: str, percent: int) -> dict[str, int]:
    """Give `new` a percentage of the traffic, and the others the rest in the proportions they had.

    The values are whole and sum up to 100. Of the others those with traffic keep at least 1 %, unless `new` gets all;
    what is at 0 is left out, as the API reads a missing entry as 0. Where nobody else has traffic, `new` gets all.

    Raises:
        ValueError: the percentage is not in 1 to 100, or leaves less than 1 % for each of the others.
    """
    if not 1 <= percent <= 100:
        raise ValueError(f"a share of {percent} % is not in 1 to 100")
    others = {name: share for name, share in former.items() if share > 0 and name != new}
    if not others or percent == 100:
        return {new: 100}
    rest = 100 - percent
    if rest < len(others):
        raise ValueError(f"{rest} % cannot be split among {len(others)} deployed models")
    return {**_scaled(others, rest), new: percent}


def _scaled(others: Mapping[str, int], rest: int) -> dict[str, int]:
    """Scale shares to sum up to `rest`: 1 % for each, and what is left by largest remainder."""
    total = sum(others.values())
    exact = {name: share * rest / total for name, share in others.items()}
    scaled = {name: max(1, math.floor(value)) for name, value in exact.items()}
    while (missing := rest - sum(scaled.values())) != 0:
        # Whoever is farthest below the exact share gains one, or, when 1 % each was too much, farthest above loses one.
        step = 1 if missing > 0 else -1
        able = [name for name in scaled if step > 0 or scaled[name] > 1]
        name = max(able, key=lambda each: (step * (exact[each] - scaled[each]), each))
        scaled[name] += step
    return scaled


class _Inquiry:
    """The counts of a gate, and what they amount to."""

    def __init__(self, project: Project, new: str, former: Collection[str], percent: int, limits: Limits) -> None:
        self._project = project
        self._new = new
        self._former = frozenset(former) - {new}
        self._percent = percent
        self._limits = limits
        self._tolerance = project.smoke.tolerance_for(project.vertex.device)
        self._drift = Drift()
        self._wrong: dict[str, Finding] = {}
        self._refused: Reply | None = None
        self._began = time.monotonic()
        self._settled = False
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
        return (verdict == "new" and self._settled) or (self._enough and verdict in ("nobody", "former"))

    def wants(self) -> bool:
        """Tell whether to ask now, and forget the errors of a time when the split may not have arrived.

        Answers that were never due look like missing ones then.
        """
        if not self._settled and time.monotonic() - self._began >= self._limits.settle:
            self._settled = True
            if self._errors:
                self._reset()
        return self._settled or self._blame != "new"

    def take(self, reply: Reply) -> None:
        """Take a reply into account."""
        if reply.error is not None:
            self._errors += 1
            self._last = reply
            self._refused = reply if reply.refused else None
        elif reply.deployed_model == self._new:
            self._seconds[True].append(reply.seconds)
            for finding in differences(reply, self._tolerance, self._drift):
                self._wrong.setdefault(finding.subject, finding)
        elif reply.deployed_model in self._former:
            self._seconds[False].append(reply.seconds)
        else:
            self._others[reply.deployed_model] += 1

    def line(self) -> str:
        """Say how far it has come."""
        former = f", {len(self._seconds[False])} of the former" if self._former else ""
        return f"{len(self._seconds[True])} answers of the new version{former}, {self._errors} errors"

    def findings(self) -> Iterator[Finding]:
        """Yield why the gate stays shut; nothing where it opens."""
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
                subject=f"deployed model {self._new}",
                evidence=(self.gate().line(),),
            )

    def gate(self) -> Gate:
        """Give the numbers and the decision."""
        new, former = self._latency
        stopped = self._refused is not None or bool(self._wrong) or not self._enough or self._slow
        return Gate(
            self._new,
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
            f"{self._errors} of {self._requests} requests failed, by their number those of deployed model {self._new}: "
            f"{text_of(last).splitlines()[0][:200]}"
        )
        whose = (
            f"an error does not name its deployed model; with {self._percent} % of the requests {self._new} gave "
            f"{new.answers} answers, the former gave {former.answers}"
        )
        return live_errors(message, last, self._project, (whose,))

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
        return live.INCONCLUSIVE.finding(line, subject=f"deployed model {self._new}", evidence=last, **particulars)
