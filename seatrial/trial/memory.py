"""The memory of a server on trial, beside what the configured machine leaves to a container."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.facts.tables import machines
from seatrial.findings import Finding, Severity
from seatrial.project import Project
from seatrial.rules.serving.budgets import MACHINE_TOO_SMALL
from seatrial.rules.serving.processes import NO_MEMORY, SHARED_MEMORY
from seatrial.trial.inside.usage import Usage
from seatrial.trial.measured import Measured

MIB = 1024**2
GIB = 1024**3
SHARED_MB = 64  # of /dev/shm in a container, the default of docker, podman and Kubernetes

# What Kubernetes Engine reserves of each next part of a machine's memory, and for eviction; "Plan node sizes",
# cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes. Vertex AI publishes no number of its own.
_RESERVED = ((4 * GIB, 0.25), (4 * GIB, 0.20), (8 * GIB, 0.10), (112 * GIB, 0.06), (float("inf"), 0.02))
_EVICTION = 100 * MIB


def smallest(project: Project) -> str:
    """Return which of the configured machine types has the least memory; the first of those that are not known."""
    known = machines().machines
    return min(project.vertex.machine_type, key=lambda name: known[name].memory if name in known else 0)


def of_machine(project: Project) -> int:
    """Return the bytes that the smallest configured machine leaves to a container; 0 if it is not known."""
    machine = machines().machines.get(smallest(project))
    if machine is None or not machine.memory:
        return 0
    left = whole = machine.memory * GIB
    taken: float = _EVICTION
    for part, share in _RESERVED:
        taken += min(left, part) * share
        left = max(0, left - part)
    return int(whole - taken)


def allowed(project: Project) -> int:
    """Return the bytes that a container on trial may use: `smoke.memory`, or what the machine leaves if less."""
    number, unit = int(project.smoke.memory[:-1]), project.smoke.memory[-1]
    configured, left = number * (GIB if unit == "g" else MIB), of_machine(project)
    return left if 0 < left < configured else configured


def shared_memory(project: Project) -> int:
    """Return the bytes of /dev/shm in the container."""
    return (project.vertex.shared_memory_mb or SHARED_MB) * MIB


def limit(project: Project) -> str:
    """Return `allowed` as engines write it."""
    return f"{allowed(project) // MIB}m"


def ran_out(project: Project, subject: str = "") -> Finding:
    """Return the finding for a container that was killed at its limit: how much that was, and which key sets it."""
    of_smoke = allowed(project) < (of_machine(project) or float("inf"))
    key = "smoke.memory" if of_smoke else f"vertex.machine-type, {smallest(project)},"
    more = f'set `memory` in [tool.seatrial.smoke] to what the machine has (it is "{project.smoke.memory}")'
    return NO_MEMORY.finding(
        f"the server needed more than the {limit(project)} of memory that {key} allows, and was killed there",
        subject=subject,
        cause="the kernel ends a container at its limit (SIGKILL, exit code 137), and nothing is logged",
        fix=f"{NO_MEMORY.fix}{f'; or {more}' if of_smoke else ''}",
    )


def judge(project: Project, used: Usage, device: str, measured: Measured) -> Iterator[Finding]:
    """Yield findings where a server needed more memory than it will have; note its peak in `measured`."""
    peak, left, machine = used.get("peak", 0), of_machine(project), smallest(project)
    if not peak:
        return
    measured.peak_memory, measured.machine, measured.machine_memory = peak, machine, left
    measured.workers_there, measured.memory_there = _there(project, used, measured.workers)
    # Of a server with more processes here than there, what is to be expected there decides.
    if 0 < left < measured.memory_there:
        yield _too_small(machine, left, measured)
    # On a GPU the driver's own mappings count as shared memory.
    shared = shared_memory(project)
    if device == "cpu" and used.get("shared", 0) > shared:
        yield SHARED_MEMORY.finding(
            f"the server holds {used['shared'] / 1e6:.0f} MB of shared memory; its container has {shared / 1e6:.0f} MB"
        )


def _there(project: Project, used: Usage, here: int) -> tuple[int, int]:
    """Return how many processes predict on the smallest configured machine, and the peak of memory to expect with them.

    Each takes what one takes here, without what they share. `here` is how many there are; with 0 nothing is expected.
    """
    machine, vertex = machines().machines.get(smallest(project)), project.vertex
    if not here or machine is None:
        return here, used["peak"]
    usual = vertex.accelerator_count if vertex.device == "cuda" else machine.processors
    there = usual if project.serving.workers == "auto" else project.serving.workers
    own = used.get("memory", 0) + used["peak"] - used.get("resident", used["peak"])
    return there, used["peak"] + (there - here) * own // here


def _too_small(machine: str, left: int, measured: Measured) -> Finding:
    """Return the finding; what is only expected with more processes is a warning."""
    has = f"{machine} has {machines().machines[machine].memory:g} GiB, of which about {left / GIB:.1f} GiB are left"
    if left < measured.peak_memory:
        needed = f"the server needed {measured.peak_memory / GIB:.1f} GiB of memory"
        return MACHINE_TOO_SMALL.finding(f"{needed}; {has} to a container", subject=machine)
    workers = f"{measured.workers} of the {measured.workers_there} workers that it has there"
    return MACHINE_TOO_SMALL.finding(
        f"the server needed {measured.peak_memory / GIB:.1f} GiB of memory with {workers}, so it may need "
        f"{measured.memory_there / GIB:.1f} GiB with all; {has} to a container",
        subject=machine,
        severity=Severity.WARNING,
        fix="set `serving.workers` to fewer, or take a larger `vertex.machine-type`",
    )
