"""One question to an endpoint and its reply: golden examples in, predictions or an error out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from seatrial.golden import GoldenExample
from seatrial.trial.parity import example_name

INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED = 3, 7, 16  # of google.rpc.Code


@dataclass(frozen=True, slots=True)
class Question:
    """One request: golden examples and, in the same order, the JSON instances that stand for them.

    `number` is its index in what `questions` returned.
    """

    number: int
    examples: tuple[GoldenExample, ...]
    instances: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What it is called in messages."""
        first = example_name(self.examples[0])
        return first if len(self.examples) == 1 else f"{first} and {len(self.examples) - 1} more"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: predictions and the deployed model that gave them, or an error.

    Attributes:
        deployed_model: its id; "" with an error.
        seconds: from sending to the last byte.
        error: in words; None with predictions.
        code: of google.rpc, whose status codes are gRPC's; 0 with predictions.
    """

    question: Question
    seconds: float
    deployed_model: str = ""
    predictions: tuple[Any, ...] = ()
    error: str | None = None
    code: int = 0

    @property
    def refused(self) -> bool:
        """Whether the caller may not ask, whichever version would have answered."""
        return self.code in (PERMISSION_DENIED, UNAUTHENTICATED)


class Asker(Protocol):
    """Sends requests to an endpoint without waiting for their answers."""

    @property
    def in_flight(self) -> int:
        """How many requests are not answered yet."""

    def send(self, question: Question) -> None:
        """Send a request."""

    def receive(self, wait: float) -> Reply | None:
        """Return a reply; None if none comes within `wait` seconds."""

    def cancel(self) -> None:
        """Cancel what is in flight."""
