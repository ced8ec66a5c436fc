"""Budgets: the slowest and the largest answer of the whole trial, beside what the endpoint allows."""

from __future__ import annotations

import os

from seatrial.facts.tables import machines
from seatrial.findings import Severity, Stage, Step
from seatrial.rules.serving.budgets import TOO_SLOW, too_large
from seatrial.trial.full.session import Session
from seatrial.trial.server import ANSWER_TIMEOUT


def prove(session: Session) -> Stage[None]:
    """Compare what was measured with the limits, and note it."""
    kind = session.gathered.project.vertex.endpoint_type
    measured = session.trial.measured
    (seconds, slowest), (size, largest) = session.slowest, session.largest
    measured.requests, measured.slowest_seconds, measured.largest_answer = session.requests, round(seconds, 3), size
    measured.processors = here = _cores()
    yield Step(f"the slowest answer took {seconds:.2f} s, the largest has {size:,} bytes")
    yield from too_large(size, largest, kind)
    machine = session.gathered.project.vertex.machine
    there = machines().machines.get(machine)
    # Fewer processors make an answer slower, if it uses all of them here; more are not taken to make it faster.
    there_seconds = seconds * max(1.0, here / there.processors) if there else seconds
    if there is not None and there_seconds > ANSWER_TIMEOUT >= seconds:
        yield TOO_SLOW.finding(
            f"{slowest}: the answer took {seconds:.0f} s with {here} processors; "
            f"{machine} has {there.processors}, and {ANSWER_TIMEOUT:.0f} s are allowed",
            severity=Severity.WARNING,
            subject=slowest,
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
