"""Ask both servers the same inputs, each alone, and say which answers differ by more than they may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Stage, Step
from seatrial.rules.transforms.stages import OTHER_ANSWERS
from seatrial.trial import observe, parity
from seatrial.trial.comparison.inputs import Input
from seatrial.trial.parity import Drift
from seatrial.trial.server import Server

_SHOWN = 3  # answers that differ; a wrong transform makes every one differ


@dataclass(slots=True)
class Answers:
    """How many answers were compared, by how much their numbers differ at most, and how many differ by too much.

    Attributes:
        unsteady: inputs that the first lock itself answers differently each time, which decide nothing.
    """

    compared: int = 0
    largest: float = 0.0
    allowed: float = 0.0
    differing: int = 0
    unsteady: int = 0


@dataclass(slots=True)
class Given:
    """What the servers answered to each input: the first lock's twice, the second's once."""

    first: list[Any] = field(default_factory=list)
    again: list[Any] = field(default_factory=list)
    now: list[Any] = field(default_factory=list)


def ask(gathered: Gathered, server: Server, inputs: Sequence[Input], into: list[Any]) -> Stage[None]:
    """Add the prediction for each input to a list; end after a finding if there is none."""
    for each in inputs:
        answer = server.predict([each.instance])
        predictions = observe.predictions_of(answer)
        if not predictions:
            yield from observe.refused(gathered, server, parity.example_name(each.example), answer)
            return
        into.append(predictions[0])


def judge(inputs: Sequence[Input], given: Given, names: tuple[str, str], answers: Answers) -> Stage[None]:
    """Yield which answers differ, and note in `answers` what was compared."""
    differing: list[Finding] = []
    for each, first, again, now in zip(inputs, given.first, given.again, given.now, strict=True):
        if _apart(each, first, again, answers.allowed, names[0])[0]:
            answers.unsteady += 1
            continue
        found, drift = _apart(each, first, now, answers.allowed, names[0])
        answers.compared += 1
        answers.largest = max(answers.largest, drift.largest)
        differing += [_as_locks(finding, names) for finding in found[:1]]
    answers.differing = len(differing)
    yield from differing[:_SHOWN]
    if len(differing) > _SHOWN:
        yield Step(f"{len(differing) - _SHOWN} more answers differ")


def _apart(asked: Input, expected: Any, answered: Any, allowed: float, name: str) -> tuple[list[Finding], Drift]:
    drift = Drift(said=f"{name} gives")
    example = replace(asked.example, response=expected)
    return list(parity.compare(example, answered, tolerance=allowed, drift=drift, alone=True)), drift


def _as_locks(finding: Finding, names: tuple[str, str]) -> Finding:
    """Say of two locks what the comparison says of training and serving."""
    return OTHER_ANSWERS.finding(
        f"with {names[1]}: {finding.message}", subject=finding.subject, evidence=tuple(_lines(finding, names))
    )


def _lines(finding: Finding, names: tuple[str, str]) -> Iterator[str]:
    for line in finding.evidence:
        for word, name in zip(("recorded: ", "answered: "), names, strict=True):
            if line.startswith(word):
                line = f"{name}: {line.removeprefix(word)}"
        yield line
