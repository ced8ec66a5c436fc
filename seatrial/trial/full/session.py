"""A conversation with a server on trial: what was asked alone, how long answers took, and whether it can go on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Stage
from seatrial.rules.rule import Rule
from seatrial.rules.serving import answers, budgets, contract
from seatrial.trial.observe import Trial, refused
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
        found = predictions(answer)
        if found is None:
            yield from self.failure(answer, subject, rule)
        elif len(found) != len(inputs):
            message = f"{subject}: {len(inputs)} instances, {len(found)} predictions"
            yield contract.WRONG_COUNT.finding(message, subject=subject)
            found = None
        elif not _finite(found):
            yield answers.NOT_FINITE.finding(f"{subject}: the answer holds NaN or infinity", subject=subject)
        return found

    def failure(self, answer: Answer | None, subject: str, rule: Rule) -> Iterator[Finding]:
        """Yield why a request got no prediction."""
        if answer is None and self.server.exit_code is None:
            yield budgets.TOO_SLOW.finding(f"{subject}: no answer within {ANSWER_TIMEOUT:.0f} s", subject=subject)
            return
        for finding in refused(self.gathered, self.server, subject, answer, rule):
            yield finding if subject in finding.message else replace(finding, message=f"{subject}: {finding.message}")


def predictions(answer: Answer | None) -> list[Any] | None:
    """Return the predictions of an answer; None if it is not one."""
    found = answer.body.get("predictions") if answer and isinstance(answer.body, dict) else None
    return found if answer and answer.status == 200 and isinstance(found, list) else None


def _finite(value: Any) -> bool:
    """Return whether no number in a JSON value is NaN or infinite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_finite, value))
    return all(map(_finite, value.values())) if isinstance(value, dict) else True
