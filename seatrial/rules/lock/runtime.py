"""Family 1, the runtime: does what the project locks leave room for what serves it?

The serving runtime is installed beside the predictor, from its own small lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.packages.requirements import marker_environment
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import RequirementFile
    from seatrial.findings import Finding

OUTSIDE_RUNTIME = Rule(
    code="ST112",
    title="a pin is outside the range that the serving runtime accepts",
    explanation=(
        "The environment is the project's lock plus the runtime's own small lock. If both name a distribution, the "
        "project's pin wins, and it must be a version that the runtime works with."
    ),
    fix="take a version within the range that the message names, then run `seatrial lock`",
    detected="The pins of the locks are compared with the range that the serving runtime asks for.",
    bad="uvicorn==0.20.0",
    good="uvicorn==0.35.0",
    sources=("https://packaging.python.org/en/latest/specifications/version-specifiers/",),
)


@OUTSIDE_RUNTIME.decided_by
def _outside_runtime(facts: Facts) -> Iterator[Finding]:
    said: set[str] = set()
    for lock in (facts.lock, facts.cpu_lock):
        if lock is None or facts.runtime_in is None:
            continue
        for finding in outside_runtime(lock, facts.runtime_in, facts.project.python):
            if finding.message not in said:  # the CPU lock repeats the pins of the other
                said.add(finding.message)
                yield finding


def outside_runtime(lock: RequirementFile, runtime_in: RequirementFile, python: str) -> Iterator[Finding]:
    """Yield the pins of a lock that the runtime cannot work with; `runtime_in` is what the runtime asks for."""
    pins = lock.pins(marker_environment(python))
    for wanted in runtime_in.entries:
        pin = pins.get(wanted.name)
        if pin is None or pin.version is None or wanted.requirement is None:
            continue
        if not wanted.requirement.specifier.contains(pin.version, prereleases=True):
            yield OUTSIDE_RUNTIME.finding(
                f"the lock pins {pin.text}, but the serving runtime needs {wanted.text}",
                location=pin.location,
                subject=pin.name,
                fix=f"ask for `{wanted.text}` in requirements.in, then run `seatrial lock`",
            )
