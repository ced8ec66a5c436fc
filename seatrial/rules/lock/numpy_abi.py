"""Family 1, compiled for numpy 1: wheels whose compiled part does not run with the locked numpy 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.libraries import taken
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import distributions_of
from seatrial.findings import Severity
from seatrial.rules.lock import companions
from seatrial.rules.lock.pins import place_of
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

BUILT_FOR_NUMPY_1 = Rule(
    code="ST174",
    title="a library was compiled for numpy 1, and numpy 2 is locked",
    needs_sources=True,
    explanation=(
        "What is compiled with the headers of numpy 1 cannot be run with numpy 2: importing it fails. Wheels from "
        "before numpy 2 often ask for numpy without an upper bound, so that a resolver takes numpy 2."
    ),
    fix="write `numpy<2` in requirements.in, or take a newer release of the library; then run `seatrial lock`",
    cloud="ImportError: A module that was compiled using NumPy 1.x cannot be run in NumPy 2",
    sources=(
        "https://numpy.org/doc/stable/dev/depending_on_numpy.html#numpy-2-abi-handling",
        "https://github.com/numpy/numpy/issues/24300",
    ),
    detected=(
        "The compiled modules of a locked wheel that asks for numpy are searched for the module from which they take "
        "numpy's C interface: numpy 2's name is in everything that runs with it. They are read from the environment "
        "that a trial kept, else from the index if the wheel is older than numpy 2. It is a warning if the project "
        "itself does not import the library."
    ),
    bad="scikit-image==0.22.0\nnumpy==2.3.3",
    good="scikit-image==0.22.0\nnumpy==1.26.4",
)


@BUILT_FOR_NUMPY_1.decided_by
def _built_for_numpy_1(facts: Facts) -> Iterator[Finding]:
    if not facts.taken.numpy_1 or facts.lock is None:
        return
    pins = facts.lock.pins(marker_environment(facts.project.python))
    imported = {name for root in taken.roots(facts.sources) for name in distributions_of(root)}
    for name, module in facts.taken.numpy_1.items():
        if name not in pins or (name == "torch" and _is_told_of_torch(facts)):
            continue
        numpy = pins["numpy"]
        yield BUILT_FOR_NUMPY_1.finding(
            f"{name} {pins[name].version} was compiled for numpy 1, and numpy {numpy.version} is locked",
            severity=Severity.ERROR if name in imported else Severity.WARNING,
            location=place_of(facts, pins[name]),
            subject=name,
            cause=f"{module} takes numpy's C interface from numpy.core, which numpy 2 moved",
            fix=f"write `numpy<2` in requirements.in, or take a newer release of {name}; then run `seatrial lock`",
        )


def _is_told_of_torch(facts: Facts) -> bool:
    check = companions.OLD_TORCH.check
    return check is not None and any(True for _ in check(facts))
