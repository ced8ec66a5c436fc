"""A conversation with a server on trial: what was asked alone, how long answers took, and whether it can go on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Stage
from seatrial.rules.rule import Rule
from seatrial.rules.serving import answers, budgets, contract
from seatrial.trial.full.equal import difference
from seatrial.trial.observe import Trial, predictions_of, refused
from seatrial.trial.server import ANSWER_TIMEOUT, Answer, Server

POINT_SECONDS = 120.0  # after which a point of the trial stops early, and says so


@dataclass(slots=True)
class Input:
    """An instance, by the name that findings give it, and what it was answered alone."""

    name: str
    instance: Any
    answer: Any = None


@dataclass(slots=True)
class Session:
    """What all points of a full trial share.

    Attributes:
        inputs: the golden examples, or the samples where there are none, each with its answer.
        over: why nothing more can be asked; "" while the server answers.
        requests: how many were sent.
        slowest: the longest answer in seconds, and what was asked.
        largest: the largest answer in bytes, and what was asked.
    """

    gathered: Gathered
    server: Server
    trial: Trial
    inputs: list[Input]
    over: str = ""
    requests: int = 0
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[int, str] = (0, "")
    _began: float = field(default_factory=time.monotonic)
    _noting: threading.Lock = field(default_factory=threading.Lock)  # some points send from several threads

    def begin(self) -> None:
        """Begin a point, which has `POINT_SECONDS`."""
        self._began = time.monotonic()

    @property
    def goes_on(self) -> bool:
        """Whether the server answers, and the point has time left."""
        return not self.over and time.monotonic() - self._began < POINT_SECONDS

    @property
    def why_not(self) -> str:
        """Why it does not go on, in words."""
        return self.over or f"the others took {POINT_SECONDS:.0f} s"

    def send(self, instances: Sequence[Any], subject: str, parameters: Any = None) -> Answer | None:
        """Send one request and note what its answer cost."""
        began = time.monotonic()
        answer = self.server.predict(list(instances), parameters)
        seconds = time.monotonic() - began
        with self._noting:
            self.requests += 1
            self.slowest = max(self.slowest, (seconds, subject))
            if answer is None:
                self.over = "the server gave no answer"
            else:
                self.largest = max(self.largest, (answer.size, subject))
        return answer

    def ask(self, inputs: Sequence[Input], subject: str, rule: Rule, parameters: Any = None) -> Stage[list[Any] | None]:
        """Ask for predictions; yield why there are none, under `rule` if the reason has no rule of its own."""
        answer = self.send([one.instance for one in inputs], subject, parameters)
        found = predictions_of(answer)
        if found is None:
            yield from self.failure(answer, subject, rule)
        elif len(found) != len(inputs):
            message = f"{subject}: {len(inputs)} instances, {len(found)} predictions"
            yield contract.WRONG_COUNT.finding(message, subject=subject)
            found = None
        elif not _finite(found):
            yield answers.NOT_FINITE.finding(f"{subject}: the answer holds NaN or infinity", subject=subject)
        return found

    def difference(self, before: Any, now: Any) -> str:
        """Describe the first place where two answers differ, but for what differs between equal requests; or ""."""
        left_out = self.trial.changing
        return difference(_without(before, left_out), _without(now, left_out), self.trial.tolerance)

    def changed(self, before: Any, now: Any) -> str:
        """Describe where the answer of an equal request differs; "" if only in fields that training did not record.

        Those are noted, and compared no more: a time or an id of the request is another one in each answer.
        """
        if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
            for name in self.trial.unrecorded - self.trial.changing:
                if difference(before.get(name), now.get(name), self.trial.tolerance):
                    self.trial.changing.add(name)
        return self.difference(before, now)

    def failure(self, answer: Answer | None, subject: str, rule: Rule) -> Iterator[Finding]:
        """Yield why a request got no prediction."""
        if answer is None and self.server.exit_code is None:
            yield budgets.TOO_SLOW.finding(f"{subject}: no answer within {ANSWER_TIMEOUT:.0f} s", subject=subject)
            return
        for finding in refused(self.gathered, self.server, subject, answer, rule):
            yield finding if subject in finding.message else replace(finding, message=f"{subject}: {finding.message}")


def _without(answer: Any, names: set[str]) -> Any:
    """Return an answer without some of its fields."""
    return {k: v for k, v in answer.items() if k not in names} if names and isinstance(answer, dict) else answer


def _finite(value: Any) -> bool:
    """Return whether no number in a JSON value is NaN or infinite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_finite, value))
    return all(map(_finite, value.values())) if isinstance(value, dict) else True
