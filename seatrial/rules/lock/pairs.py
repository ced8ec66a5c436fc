"""Family 1, the pair: do torch and torchvision fit each other and the configured Python, and do they import?

Versions are judged by the published table, never computed: the patch numbers of the two do not match.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import torch_pairs
from seatrial.findings import Edit
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.lock.pins import (
    TORCH,
    TORCHVISION,
    asked_pair,
    locks_of,
    partner_of_torch,
    pins_of,
    place_of,
    public_version,
)
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry
    from seatrial.facts.tables import TorchPairs, TorchvisionRelease
    from seatrial.findings import Finding, Location

MISMATCHED = Rule(
    code="ST120",
    title="torch and torchvision do not belong together",
    explanation=(
        "torchvision holds compiled code that was built against one torch. Every release up to 0.29.0 asks "
        "for exactly one torch version, and the patch numbers do not match (torchvision 0.15.1 "
        "belongs to torch 2.0.0). With another torch pip refuses to install the pair; if it is installed "
        "anyway, the compiled part does not load: since torchvision 0.17 the import itself fails, before that "
        "the operators are missing."
    ),
    fix="write two versions that belong together in requirements.in, then run `seatrial lock`",
    detected=(
        "The versions are looked up in a table that was read from the published wheels. Pins of the locks are judged, "
        "and those of requirements.in. For ranges and wildcards the question is "
        "whether any two releases of the table satisfy both. A torchvision that is newer than the table is not judged."
    ),
    bad="torch==1.13.1\ntorchvision==0.15.1",
    good="torch==1.13.1\ntorchvision==0.14.1",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=(
        "https://github.com/pytorch/vision#installation",
        "https://github.com/pytorch/vision/issues/8985",
        "https://github.com/unslothai/unsloth/pull/8128",
    ),
    symptoms=(
        Symptom(
            (
                r"Cannot install (?P<pins>[^\n]*\btorch(?:vision)?==[^\n]*\btorch(?:vision)?==\S+)"
                r"[^\n]* because these package versions have conflicting dependencies"
            ),
            "{pins} cannot be installed together",
        ),
        Symptom(
            r"torchvision(?:==| )(?P<torchvision>\d[\w.]*) depends on torch==(?P<torch>[\w.]+)",
            "torchvision=={torchvision} needs torch=={torch}, and something else asks for another torch",
        ),
    ),
)


@MISMATCHED.decided_by
def _mismatched(facts: Facts) -> Iterator[Finding]:
    seen: set[str] = set()
    yield from _unsatisfiable(facts)
    for torch, torchvision in _pairs(facts):
        place, edits = place_of(facts, torchvision), _edits(facts, torch, torchvision)
        found = mismatch(torch, torchvision, facts.project.python, place, edits)
        if found and found.message not in seen:
            seen.add(found.message)
            yield found


def mismatch(
    torch: Entry, torchvision: Entry, python: str, location: Location, edits: tuple[Edit, ...] = ()
) -> Finding | None:
    """Judge two pins by the table; None if they fit, or if the table does not know the torchvision."""
    table, pair = torch_pairs(), (public_version(torch), public_version(torchvision))
    ours = table.torchvision.get(pair[1])
    if ours is None or ours.torch.contains(pair[0], prereleases=True):
        return None
    return MISMATCHED.finding(
        f"torchvision=={pair[1]} needs torch{ours.torch}, but torch=={pair[0]} is pinned",
        location=location,
        cause=f"torchvision {pair[1]} was built against torch{ours.torch} and refuses every other",
        fix=_ways_out(table, python, *pair),
        evidence=(f"{torch.location}: {torch.text}", f"{torchvision.location}: {torchvision.text}"),
        edits=edits,
    )


_PIN = re.compile(r"torchvision\s*==\s*[\w.]+", re.IGNORECASE)  # no extra, no marker, no label of a build


def _edits(facts: Facts, torch: Entry, torchvision: Entry) -> tuple[Edit, ...]:
    """Write the partner of torch where requirements.in pins the wrong torchvision, and nothing else, in one line."""
    partner = partner_of_torch(public_version(torch))
    asked = [entry for entry in facts.requirements.entries if entry.name == TORCHVISION] if facts.requirements else []
    if len(asked) != 1 or not partner or not _has_wheel(partner, facts.project.python):
        return ()
    (entry,) = asked
    others = [e for e in facts.requirements.entries if e.name == TORCH and e.version] if facts.requirements else []
    if any(public_version(other) != public_version(torch) for other in others):
        return ()
    if not _PIN.fullmatch(entry.text) or entry.version is None or public_version(entry) != public_version(torchvision):
        return ()
    place = entry.location
    return (Edit(place.path, partner, place.line, place.column, place.end_column, was=entry.text),)


def _has_wheel(pin: str, python: str) -> bool:
    release = torch_pairs().torchvision.get(Version(pin.partition("==")[2]))
    return release is not None and python in release.pythons


def _unsatisfiable(facts: Facts) -> Iterator[Finding]:
    """Judge what requirements.in leaves open: is there any pair of the table that answers it?"""
    asked = asked_pair(facts)
    torch, torchvision = asked.get(TORCH), asked.get(TORCHVISION)
    pins = pins_of(facts, facts.lock)
    if torch is None or torchvision is None or (TORCH in pins and TORCHVISION in pins):
        return
    allowed = _allowed(torchvision)
    if not allowed or _beyond_table(torchvision):
        return
    torches = [version for version in _torches() if _allows(torch, version)]
    if not torches or any(r.torch.contains(t, prereleases=True) for r in allowed for t in torches):
        return
    needs = ", ".join(dict.fromkeys(f"torch{release.torch}" for release in allowed))
    fitting = torch_pairs().for_torch(torches[-1])
    way = f"write torchvision=={fitting[-1].version} for torch {torches[-1]}, or " if fitting else ""
    yield MISMATCHED.finding(
        f"no torchvision that `{torchvision.text}` allows fits `{torch.text}`",
        location=torchvision.location,
        cause=f"the releases that it allows need {needs}",
        fix=f"{way}ask for a torch that they need; then run `seatrial lock`",
        evidence=(f"{torch.location}: {torch.text}", f"{torchvision.location}: {torchvision.text}"),
    )


def _allowed(torchvision: Entry) -> list[TorchvisionRelease]:
    return [r for r in torch_pairs().torchvision.values() if _allows(torchvision, r.version)]


def _allows(entry: Entry, version: Version) -> bool:
    return entry.requirement is not None and not entry.requirement.url and entry.requirement.specifier.contains(version)


def _beyond_table(torchvision: Entry) -> bool:
    """Return whether a range allows releases newer than the table; the next minor one stands for them."""
    newest = max(torch_pairs().torchvision)
    return _allows(torchvision, Version(f"{newest.major}.{newest.minor + 1}.0")) or _allows(
        torchvision, Version(f"{newest.major}.{newest.minor}.{newest.micro + 1}")
    )


def _torches() -> list[Version]:
    """Return every torch that the table knows, by itself or as a requirement of a torchvision, oldest first."""
    table = torch_pairs()
    exact = {Version(s.version) for r in table.torchvision.values() for s in r.torch if s.operator == "=="}
    return sorted({*table.torch, *exact})


def _ways_out(table: TorchPairs, python: str, torch: Version, torchvision: Version) -> str:
    """Return the right partner for each of the two, and what it lacks for the configured Python."""
    ways = []
    if fitting := table.for_torch(torch):
        partner = fitting[-1]
        lacks = f" (no wheel for Python {python})" if python not in partner.pythons else ""
        ways.append(f"keep torch=={torch} and write torchvision=={partner.version}{lacks}")
    ours = table.torchvision[torchvision]
    lacks = f" (no wheel for Python {python})" if python not in ours.pythons else ""
    ways.append(f"keep torchvision=={torchvision} and write torch{ours.torch}{lacks}")
    return f"{', or '.join(ways)}; then run `seatrial lock`"


def _pairs(facts: Facts) -> Iterator[tuple[Entry, Entry]]:
    for file in locks_of(facts):
        pins = pins_of(facts, file)
        if TORCH in pins and TORCHVISION in pins:
            yield pins[TORCH], pins[TORCHVISION]
    asked = facts.requirements.pins(marker_environment(facts.project.python)) if facts.requirements else {}
    if TORCH in asked and TORCHVISION in asked:  # the lock may be older than these lines
        yield asked[TORCH], asked[TORCHVISION]


NO_WHEEL = Rule(
    code="ST121",
    title="no wheel of torch or torchvision for the configured Python",
    explanation=(
        "Each release of torch and torchvision is published for some Python versions only, and not always "
        "for the same ones: torch 1.13 has a wheel for Python 3.11, but torchvision 0.14 does not; torch "
        "2.15 dropped 3.10."
    ),
    fix="set `python` in [tool.seatrial] to one that both have, or take a newer pair; then `seatrial lock`",
    detected="By the pins and `python`, against a table of the published wheels. A version that is newer than the "
    "table is not judged.",
    bad='torch==1.13.1\ntorchvision==0.14.1  # with python = "3.11"',
    good='torch==1.13.1\ntorchvision==0.14.1  # with python = "3.10"',
    cloud="ERROR: No matching distribution found for torch==2.0.1",
    sources=("https://github.com/pytorch/pytorch/blob/main/RELEASE.md#release-compatibility-matrix",),
    symptoms=(
        Symptom(
            r"No matching distribution found for (?P<pin>torch(?:vision)?==[\w.]+)(?![\w.+])",
            "{pin} has no wheel for this Python",
        ),
        Symptom(
            r"\b(?P<pin>torch(?:vision)?==[\w.]+) has no wheels with a matching Python",
            "{pin} has no wheel for this Python",
        ),
    ),
)


@NO_WHEEL.decided_by
def _no_wheel(facts: Facts) -> Iterator[Finding]:
    table, python = torch_pairs(), facts.project.python
    seen: set[tuple[str, Version]] = set()
    for file in locks_of(facts):
        pins = pins_of(facts, file)
        for name in (TORCH, TORCHVISION):
            entry = pins.get(name)
            if entry is None or (name, public_version(entry)) in seen:
                continue
            version = public_version(entry)
            seen.add((name, version))
            release = table.torchvision.get(version)
            vision_pythons = release.pythons if release else None
            pythons = table.torch.get(version) if name == TORCH else vision_pythons
            if pythons is not None and python not in pythons:
                yield NO_WHEEL.finding(
                    f"{name}=={version} has no wheel for Python {python}",
                    location=place_of(facts, entry),
                    cause=f"its wheels on {table.read_on}: Python {', '.join(pythons)}",
                )


DOES_NOT_IMPORT = Rule(
    code="ST122",
    title="torchvision's compiled part does not load",
    explanation=(
        "torchvision swallows the error of loading its compiled library and fails later, on the first "
        "operator: `operator torchvision::nms does not exist`. The hidden cause is one of three: the two "
        "versions do not belong together, one of them is a CPU build and the other a CUDA build, or both "
        "are CUDA builds of different major versions. The trial loads the library itself and shows the "
        "cause."
    ),
    fix="lock both from one index with `seatrial lock`, and let nothing install either of them afterwards",
    cloud=SERVER_EXITED,
    sources=(
        "https://github.com/pytorch/pytorch/issues/157648",
        "https://github.com/pytorch/pytorch/issues/122494",
        "https://github.com/pytorch/vision/issues/9174",
        EXITED_SOURCE,
    ),
    symptoms=(
        Symptom(
            (
                r"compiled with different CUDA (?:major )?versions\.\s+PyTorch has CUDA "
                r"Version=(?P<torch>[\d.]*\d) and torchvision has CUDA Version=(?P<torchvision>[\d.]*\d)"
            ),
            "torch was built for CUDA {torch}, torchvision for CUDA {torchvision}",
        ),
        Symptom(
            r"torchvision/\S*: undefined symbol: (?P<symbol>_ZN\w*(?:c10|torch|at\d)\w*)",
            "torchvision was built for another torch: its library needs the symbol {symbol}",
        ),
        Symptom(
            r"operator torchvision::(?P<operator>\w+) does not exist",
            "torchvision's compiled part did not load: it has no operator `{operator}`",
        ),
        Symptom(
            r"No such operator torchvision::(?P<operator>\w+)",
            "torchvision's compiled part did not load: it has no operator `{operator}`",
        ),
        Symptom(r"Couldn't load custom C\+\+ ops", "torchvision's compiled part did not load"),
    ),
)
