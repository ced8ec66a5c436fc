"""Proves a deployed model through its endpoint: every golden image is answered by it as training recorded.

A request goes to whichever version the split sends it to, so each image is asked until the given one has answered it.
What could not be proven is reported, and nothing on the server is changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.deploy.answers import SHOWN, live_errors, refusal, text_of
from seatrial.deploy.exchange import INVALID_ARGUMENT, Question, Reply
from seatrial.deploy.inquiry import Inquiry
from seatrial.deploy.requests import Limits, questions
from seatrial.findings import Finding, Stage
from seatrial.golden import GoldenExample
from seatrial.rules.deployment import live
from seatrial.serving.interfaces import BATCHED
from seatrial.trial import evidence

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint, Platform
    from seatrial.facts.gather import Gathered

_FAILURES = 5  # of one question, before the new version can be held to fail on it
_CHANCE = 1e-4  # of never having been asked, below which a version is held to have been asked
_SLOW = 1.0  # seconds between two requests while a split seems not to have arrived


@dataclass(frozen=True, slots=True)
class Proof:
    """What the endpoint's answers proved.

    Attributes:
        deployed_model: whose answers counted.
        proven: every input was answered by it, and as recorded.
        inputs: golden examples, or samples if there are none; `answered` of them by the deployed model.
        requests: that were answered or failed; `errors` of them failed.
        others: answers by other deployed models.
        compared: numbers that were compared; `drift` is their largest difference, `tolerance` the allowed one.
        unproven: what a green proof still does not prove, in words.
    """

    deployed_model: str
    proven: bool = False
    inputs: int = 0
    answered: int = 0
    requests: int = 0
    errors: int = 0
    others: Mapping[str, int] = field(default_factory=dict)
    compared: int = 0
    drift: float = 0.0
    tolerance: float = 0.0
    unproven: tuple[str, ...] = ()


def prove(
    platform: Platform,
    endpoint: Endpoint,
    deployed_id: str,
    gathered: Gathered,
    *,
    interface: str = BATCHED.name,
    compare: bool = True,
    limits: Limits | None = None,
) -> Stage[Proof]:
    """Ask an endpoint whose split has a share for `deployed_id` until that has answered every golden image.

    Without `compare` any answer will do: what another version's training recorded is not here.
    `interface` is what the trial's report says of the predictor; it decides whether sample images can stand in for
    golden examples. Findings are ST710 for another answer, ST711 for errors, ST713 for too few answers, and ST705 or
    ST720 if the caller may not ask.

    Raises:
        UsageError: golden.json cannot be read.
    """
    limits = limits or Limits.of(gathered.project, platform.traits)
    share = endpoint.traffic_split.get(deployed_id, 0) / 100
    # A question is asked about 1/share times, so that this many of them take half of the requests allowed.
    asked = questions(gathered.project, interface=interface, at_most=max(1, int(limits.requests * share / 2)))
    inquiry = _Coverage(gathered, deployed_id, share, asked, limits, compare=compare)
    if not asked:
        what = f"any live prediction: what a predictor of interface {interface} accepts, only golden answers say"
        return Proof(deployed_id, unproven=(what,))
    if not share:
        yield live.INCONCLUSIVE.finding(f"deployed model {deployed_id} has no traffic and cannot be asked anything")
        return inquiry.proof()
    yield from inquiry.run(platform, endpoint)
    return inquiry.proof()


@dataclass(slots=True)
class _State:
    """What became of one question so far: how often it was sent and came back, and its last error."""

    question: Question
    sent: int = 0
    replied: int = 0
    errors: int = 0
    answered: bool = False
    last: Reply | None = None


class _Coverage(Inquiry):
    """Which questions of a proof the deployed model has answered."""

    def __init__(
        self,
        gathered: Gathered,
        deployed_id: str,
        share: float,
        asked: Sequence[Question],
        limits: Limits,
        *,
        compare: bool,
    ) -> None:
        super().__init__(gathered, deployed_id, limits)
        self._compares = compare
        self._share = share
        self._states = [_State(question) for question in asked]
        self._answers: Counter[str] = Counter()
        self._last = self._began

    @property
    def over(self) -> bool:
        """Whether nothing more needs to be asked: all was answered, or it is clear that it will not be."""
        enough = len(self._wrong) >= SHOWN or self._refused is not None
        return enough or not self._pending or self._failing is not None

    def choose(self) -> Question | None:
        """Return the question that has failed most, since that decides, otherwise the one that was asked least."""
        now, pending = time.monotonic(), self._pending
        if not pending or (self._overdue and not self._settled and now - self._last < _SLOW):
            return None
        self._last = now
        state = max(pending, key=lambda each: (each.errors, -each.sent))
        state.sent += 1
        return state.question

    def take(self, reply: Reply) -> None:
        """Take a reply into account."""
        state = self._states[reply.question.number]
        state.replied += 1
        if reply.error is not None:
            state.errors += 1
            state.last = reply
            self._refused = reply if reply.refused else None
            return
        self._answers[reply.deployed_model] += 1
        if reply.deployed_model == self._id:
            state.answered = True
            if self._compares:
                self._compare(reply)

    def line(self) -> str:
        """Return how far it has come, in words."""
        return (
            f"{self._answered} of {self._inputs} golden inputs answered by deployed model {self._id}, "
            f"{self._requests} requests"
        )

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, or what is missing."""
        if self._refused is not None:
            yield refusal(self._refused)
            return
        yield from list(self._wrong.values())[:SHOWN]
        if (failing := self._failing) is not None and failing.last is not None:
            yield self._fails(failing, failing.last)
        elif self._pending and not self._wrong:
            yield self._inconclusive()

    def proof(self) -> Proof:
        """Return what was proven."""
        examples = [example for state in self._states for example in state.question.examples]
        if not self._compares:
            unproven = ["that live answers equal training's: those of a former version are not here"]
        elif not any(_recorded(example) for example in examples):
            unproven = ["that live answers equal training's: there are no golden answers"]
        else:
            unproven = evidence.unproven(self._project, examples, self._drift)
        return Proof(
            self._id,
            proven=not self._pending and not self._wrong and self._refused is None,
            inputs=self._inputs,
            answered=self._answered,
            requests=self._requests,
            errors=self._errors,
            others={name: count for name, count in sorted(self._answers.items()) if name != self._id},
            compared=self._drift.compared,
            drift=self._drift.largest,
            tolerance=self._tolerance,
            unproven=tuple(unproven),
        )

    @property
    def _pending(self) -> list[_State]:
        return [state for state in self._states if not state.answered]

    @property
    def _errors(self) -> int:
        return sum(state.errors for state in self._states)

    @property
    def _requests(self) -> int:
        return self._answers.total() + self._errors

    @property
    def _inputs(self) -> int:
        return sum(len(state.question.examples) for state in self._states)

    @property
    def _answered(self) -> int:
        return sum(len(state.question.examples) for state in self._states if state.answered)

    @property
    def _overdue(self) -> bool:
        """Whether the version has given no answer at all, though it should have been asked by now."""
        return not self._answers[self._id] and self._chance(self._requests) < _CHANCE

    @property
    def _failing(self) -> _State | None:
        """Return a question that the version fails on, beyond reasonable doubt.

        An error does not say whose it is. But when errors go on, and the split has by now all but certainly sent the
        question to this version, which has never answered it, then some of them were its own.
        """
        for state in self._pending:
            if state.last is None or state.errors < _FAILURES or self._chance(state.replied) >= _CHANCE:
                continue
            at_once = self._share == 1 and state.last.code == INVALID_ARGUMENT
            if at_once or self._answers[self._id] or self._settled:
                return state
        return None

    def _chance(self, times: int) -> float:
        """Return how likely it is that so many requests never went to the version."""
        return float((1 - self._share) ** times)

    def _fails(self, state: _State, last: Reply) -> Finding:
        name = state.question.name
        message = (
            f"{name}: {state.errors} of {state.replied} requests failed, and deployed model {self._id} answered none: "
            f"{text_of(last).splitlines()[0][:200]}"
        )
        whose = f"an error does not name its deployed model; {self._id} has {self._share:.0%} of the traffic"
        return live_errors(message, last, self._gathered, (whose,))

    def _inconclusive(self) -> Finding:
        seconds = time.monotonic() - self._began
        message = (
            f"deployed model {self._id} answered {self._answered} of {self._inputs} golden inputs in "
            f"{self._requests} requests and {seconds:.0f} s, with {self._share:.0%} of the traffic"
        )
        counts = ", ".join(f"{count} by {name or 'no named model'}" for name, count in self._answers.most_common())
        evidence = [f"answers: {counts or 'none'}; errors: {self._errors}"]
        evidence += [f"last error: {text_of(state.last)}" for state in self._pending if state.last is not None][:1]
        return live.INCONCLUSIVE.finding(message, evidence=tuple(evidence))


def _recorded(example: GoldenExample) -> bool:
    return example.label is not None or example.scores is not None or example.response is not None
