"""Prediction requests made of golden examples, sent to an endpoint a few at a time, and their replies.

An answer names the deployed model that gave it; an error does not. Nothing here judges either, and nothing is asked
that the caller did not choose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial import golden, samples
from seatrial.deploy.exchange import Question, Reply
from seatrial.findings import Step
from seatrial.golden import GoldenExample
from seatrial.serving import interfaces
from seatrial.trial.parity import batches

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint, Platform, Traits
    from seatrial.project import Project

TICK = 0.5  # seconds; how long nothing may come before the caller gets to look at the clock
SHOW = 2.0  # seconds between two lines of progress
_ANSWER = 60.0  # seconds; what a shared public endpoint allows, by Vertex's custom-container requirements
_PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)  # seconds, after so many failures in a row
_ALIVE = 0.2  # seconds, the longest pause once there was an answer: one input may fail where others do not


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an inquiry goes.

    Attributes:
        requests: how many are sent at most.
        seconds: how long it lasts at most.
        in_flight: how many may be in flight.
        request_timeout: seconds that one answer may take; more only where `inference-timeout` allows more.
        settle: seconds after a change of the split in which a version without traffic is not yet suspicious.
    """

    requests: int = 2000
    seconds: float = 900.0
    in_flight: int = 4
    request_timeout: float = _ANSWER
    settle: float = 180.0

    @classmethod
    def of(cls, project: Project, traits: Traits) -> Limits:
        """Return the limits of a project's rollout on a target."""
        longest = max(_ANSWER, float(project.vertex.inference_timeout or 0))
        return cls(seconds=project.vertex.rollout.step_timeout, request_timeout=longest, settle=traits.settle)


def questions(project: Project, *, interface: str, at_most: int | None = None) -> tuple[Question, ...]:
    """Return what to ask: each golden example alone, or in equal groups if that makes too many requests.

    Without golden examples these are the trial's sample images if the predictor's interface takes them. Of another one
    only golden examples say what it accepts, so there is nothing to ask.

    Raises:
        UsageError: golden.json cannot be read.
    """
    examples = golden.read(project.artifacts_dir)
    inputs = [(example, example.vertex_instance(project.artifacts_dir)) for example in examples]
    if not examples and interfaces.takes_samples(interface):
        inputs = [(GoldenExample(image=name), instance) for name, instance in samples.instances()]
    size = -(-len(inputs) // at_most) if at_most else 1
    groups = batches(inputs, max(1, size))
    return tuple(Question(number, *zip(*group, strict=True)) for number, group in enumerate(groups))


def replies(
    platform: Platform, endpoint: Endpoint, choose: Callable[[], Question | None], limits: Limits
) -> Generator[Reply | None, None, None]:
    """Yield replies until a limit is reached or the caller closes this; None now and then if none came.

    `choose` returns what to ask next, or None for nothing right now. Until the first answer, and while answers fail,
    one is asked at a time, and before the first answer later and later. What is in flight at the end is cancelled,
    also after an interruption.
    """
    ask = platform.asker(endpoint, limits.request_timeout)
    deadline = time.monotonic() + limits.seconds
    sent = failures = 0
    answers = alive = False
    resume = 0.0
    try:
        while (now := time.monotonic()) < deadline and (sent < limits.requests or ask.in_flight):
            allowed = limits.in_flight if answers else 1
            while sent < limits.requests and ask.in_flight < allowed and now >= resume and (next_one := choose()):
                ask.send(next_one)
                sent += 1
            wait = min(TICK, deadline - now, max(resume - now, 0.01) if not ask.in_flight else TICK)
            reply = ask.receive(wait)
            if reply is not None:
                answers = reply.error is None
                alive = alive or answers
                failures = 0 if answers else failures + 1
                pause = 0.0 if answers else _PAUSES[min(failures, len(_PAUSES)) - 1]
                resume = time.monotonic() + (min(pause, _ALIVE) if alive else pause)
            yield reply
    finally:
        ask.cancel()


class Progress:
    """Lines of progress, but no more often than a person reads."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def line(self, text: Callable[[], str]) -> Iterator[Step]:
        """Yield the line, if it is time for one."""
        if time.monotonic() - self._shown >= SHOW:
            self._shown = time.monotonic()
            yield Step(text())
