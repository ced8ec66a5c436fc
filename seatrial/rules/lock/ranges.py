"""Family 1, what is left open of the pair: a range of torchvision, and a torch that nothing pins.

Today's install may be right and tomorrow's not, so these only warn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from seatrial.facts.packages.requirements import marker_environment, pinned, rewritten
from seatrial.facts.tables import torch_pairs
from seatrial.findings import Severity
from seatrial.rules.lock.pins import TORCH, TORCHVISION, asked_pair, locks_of, pins_of, public_version
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry
    from seatrial.findings import Finding, Location

WILDCARD = Rule(
    code="ST123",
    title="a range of torchvision whose newest release belongs to another torch",
    explanation=(
        "Patch releases of the two go together one to one: torchvision 0.22.0 belongs to torch 2.7.0 and 0.22.1 to "
        "2.7.1. A wildcard that allows both is resolved correctly only if torch takes part; an install of "
        "torchvision alone, or one without dependencies, takes the newest and breaks the pair."
    ),
    fix="pin the torchvision that belongs to the torch, then run `seatrial lock`",
    severity=Severity.WARNING,
    detected=(
        "In requirements.in and in `pip install` lines of Dockerfiles: torch is pinned, torchvision is a range that "
        "allows the right release, and the newest release in the table that it allows asks for another torch. "
        "Whether anything installs torchvision without torch cannot be seen, so this only warns."
    ),
    bad="torch==2.7.0\ntorchvision==0.22.*",
    good="torch==2.7.0\ntorchvision==0.22.0",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=("https://github.com/unslothai/unsloth/pull/8128",),
)


@WILDCARD.decided_by
def _wildcard(facts: Facts) -> Iterator[Finding]:
    asked = asked_pair(facts)
    torch, torchvision = asked.get(TORCH), asked.get(TORCHVISION)
    if torch and torchvision and torch.version and torchvision.requirement:
        yield from _outrun(torch.version, torchvision.requirement, torchvision.location, torchvision)
    for install in (install for file in facts.builds.files for install in file.installs):
        wanted = {str(canonicalize_name(r.name)): r for r in install.requirements}
        if TORCHVISION in wanted:
            pin = pinned(wanted[TORCH]) if TORCH in wanted else _locked_torch(facts)
            if pin:
                yield from _outrun(pin, wanted[TORCHVISION], install.location)


def _outrun(
    torch: Version, torchvision: Requirement, location: Location, entry: Entry | None = None
) -> Iterator[Finding]:
    """Warn if the newest release that a range allows does not belong to a torch that an older one belongs to."""
    if not torchvision.specifier or pinned(torchvision):
        return
    allowed = [r for r in torch_pairs().torchvision.values() if torchvision.specifier.contains(r.version)]
    public = Version(torch.public)
    if not allowed or allowed[-1].torch.contains(public) or not any(r.torch.contains(public) for r in allowed):
        return
    right = next(r for r in reversed(allowed) if r.torch.contains(public))
    yield WILDCARD.finding(
        f"`{torchvision}` allows torchvision {allowed[-1].version}, which belongs to torch{allowed[-1].torch}, "
        f"and torch is {public}",
        location=location,
        cause="a resolver that knows of both takes the right one; an install of torchvision alone takes the newest, "
        "and whether there is one cannot be seen here",
        fix=f"write torchvision=={right.version}, then run `seatrial lock`",
        edits=rewritten(entry, f"torchvision=={right.version}") if entry and not torchvision.marker else (),
    )


def _locked_torch(facts: Facts) -> Version | None:
    entry = pins_of(facts, facts.lock).get(TORCH)
    return public_version(entry) if entry else None


HALF_PINNED = Rule(
    code="ST124",
    title="torchvision is pinned and torch is not",
    explanation=(
        "Up to 0.29.0 torchvision asks for exactly one torch, so that pinning torchvision pins both. From 0.29.1 on it "
        "asks for `torch>=2.14.0` only: with torch left open every install takes the newest one, and its behaviour "
        "changes silently."
    ),
    fix="pin torch too and run `seatrial lock`; install both from the lock",
    severity=Severity.WARNING,
    detected=(
        "In the locks, and in `pip install` lines of Dockerfiles. A torch that comes from elsewhere, such as the base "
        "image, cannot be seen, so this only warns."
    ),
    bad="RUN pip install torchvision==0.29.2 torch",
    good="RUN pip install --require-hashes -r requirements.txt",
    sources=("https://github.com/pytorch/vision/blob/main/setup.py",),
)


@HALF_PINNED.decided_by
def _half_pinned(facts: Facts) -> Iterator[Finding]:
    for lock in locks_of(facts):
        pins = lock.pins(marker_environment(facts.project.python)) if lock else {}
        named = {entry.name for entry in lock.entries} if lock else set()
        if TORCHVISION in pins and TORCH not in named and _is_lenient(public_version(pins[TORCHVISION])):
            yield HALF_PINNED.finding(
                f"{lock.path if lock else ''} pins {pins[TORCHVISION].text}, and no torch",
                location=pins[TORCHVISION].location,
                cause="this torchvision takes every torch from 2.14.0 on; whether something else installs one cannot "
                "be seen here",
            )
    for install in (install for file in facts.builds.files for install in file.installs):
        wanted = {str(canonicalize_name(r.name)): r for r in install.requirements}
        version = pinned(wanted[TORCHVISION]) if TORCHVISION in wanted else None
        torch = pinned(wanted[TORCH]) if TORCH in wanted else None
        if version and torch is None and _is_lenient(version) and not install.has("--no-deps"):
            yield HALF_PINNED.finding(
                f"`pip install` pins torchvision {version}, but leaves torch open",
                location=install.location,
                cause="this torchvision takes every torch from 2.14.0 on; what is installed already cannot be seen",
            )


def _is_lenient(torchvision: Version) -> bool:
    """Return whether a torchvision accepts more than one torch; releases after the table are assumed to."""
    known = torch_pairs().torchvision.get(Version(torchvision.public))
    return torchvision >= Version("0.29.1") if known is None else str(known.torch).startswith(">=")
