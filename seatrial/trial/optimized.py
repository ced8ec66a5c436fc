"""Judge `serving.optimize`: each step changes something, and the answers are those of the plain model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from seatrial.findings import Finding, Phase, Stage, Step
from seatrial.golden import GoldenExample
from seatrial.project import Project
from seatrial.rules.serving import optimizing
from seatrial.serving.optimize import PLAIN
from seatrial.trial import parity
from seatrial.trial.observe import Trial, predictions_of
from seatrial.trial.parity import Drift
from seatrial.trial.server import Server, Surroundings


def plainly(surroundings: Surroundings) -> Surroundings:
    """Return the same surroundings for a server that optimizes nothing."""
    return replace(surroundings, variables={**surroundings.variables, PLAIN: "1"})


def unchanged(server: Server) -> Iterator[Finding]:
    """Yield each step that changed nothing, as the server's log says; all its processes say the same."""
    records = [*server.records("INFO"), *server.records("WARNING")]
    for step, record in {record["optimize"]: record for record in records if "optimize" in record}.items():
        if not record["changed"]:
            yield optimizing.NOTHING_CHANGED.finding(str(record["message"]), subject=str(step))


def compare(project: Project, server: Server, trial: Trial) -> Stage[None]:
    """Ask a server of the plain model what the optimized one was asked, and yield which answers differ.

    An input that the plain model itself answers differently the second time decides nothing.
    """
    yield Phase("plain")
    yield Step("starting the server without serving.optimize, to compare its answers")
    if not server.wait_until_healthy(project.smoke.load_timeout):
        trial.unproven.append("that serving.optimize changes no answer: without it the server did not start")
        return
    largest, compared = 0.0, 0
    for answered in trial.answered:
        example = answered.example
        plain, again = (predictions_of(server.predict([answered.instance])) for _ in range(2))
        if not plain or not again or _differing(example, plain[0], again[0], trial.tolerance)[0]:
            continue
        differing, difference = _differing(example, plain[0], answered.prediction, trial.tolerance)
        largest, compared = max(largest, difference), compared + 1
        if differing:
            first = differing[0]
            told = f"{first.message}; recorded is what the plain model answers"
            yield optimizing.OTHER_ANSWERS.finding(told, subject=first.subject, evidence=first.evidence)
            return
    if compared < len(trial.answered):
        others = f"{len(trial.answered) - compared} inputs, whose plain answers change too"
        trial.unproven.append(f"that serving.optimize changes no answer for {others}")
    yield Step(f"{compared} answers are those of the plain model, numbers within {largest:.1g}")


def _differing(example: GoldenExample, expected: Any, answered: Any, tolerance: float) -> tuple[list[Finding], float]:
    """Return how an answer differs from an expected one, and the largest difference of two numbers."""
    drift = Drift()
    plain = GoldenExample(image=example.image, instance=example.instance, response=expected)
    return list(parity.compare(plain, answered, tolerance=tolerance, drift=drift, alone=True)), drift.largest
