"""Runs a stage to its end in a test and keeps what it yielded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from seatrial.findings import Finding, Phase, Severity, Stage, Step

T = TypeVar("T")


@dataclass
class Ended(Generic[T]):
    """A stage that ended: what it returned and what it yielded."""

    value: T
    findings: list[Finding] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        return [f for f in self.findings if f.severity is Severity.ERROR]

    @property
    def codes(self) -> list[str]:
        """The codes of the errors, each once, in order."""
        return list(dict.fromkeys(f.code for f in self.errors))


def ended(stage: Stage[T]) -> Ended[T]:
    findings: list[Finding] = []
    steps: list[str] = []
    phases: list[str] = []
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            return Ended(end.value, findings, steps, phases)
        if isinstance(event, Finding):
            findings.append(event)
        elif isinstance(event, Step):
            steps.append(event.text)
        elif isinstance(event, Phase):
            phases.append(event.name)
