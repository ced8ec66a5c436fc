"""Family 1, wheels: does the metadata of the locked wheels fit the lock and the disk?

What is known of a wheel comes from the kept environment or the index; a pin of which nothing is known is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from seatrial.facts.libraries.taken import NOT_ASKED
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import torch_pairs
from seatrial.findings import Location, Severity
from seatrial.rules.lock import names, numpy_abi
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry, RequirementFile
    from seatrial.facts.packages.wheels import Wheel, Wheels
    from seatrial.findings import Finding

TOO_LARGE = Rule(
    code="ST106",
    title="installing the lock takes more disk than a hosted runner has",
    explanation=(
        "An installer keeps every wheel while it unpacks it, so an install needs the size of both. The standard "
        "runners of GitHub have 14 GB of disk; an image needs the same again for its layers. The old AI Platform "
        "counted installed packages as the model's memory."
    ),
    fix="run `seatrial lock --cpu` for the jobs that need no GPU, take out what the predictor does not import, or use "
    "a larger runner",
    severity=Severity.WARNING,
    needs_wheels=True,
    detected=(
        "By the sizes of the locked wheels, as their RECORD or the index gives them. What is unknown is not counted, "
        "so the number is a lower bound. Which runner is used, and what else is on its disk, is unknown, so this only "
        "warns."
    ),
    bad="torch and two more frameworks with their CUDA libraries in one requirements.in",
    good="one framework in requirements.in, and `seatrial lock --cpu` for the jobs without GPU",
    cloud="ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    sources=(
        "https://docs.github.com/en/actions/reference/runners/github-hosted-runners",
        "https://github.com/actions/runner-images/issues/10237",
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/5257",
    ),
    symptoms=(
        Symptom(
            r"Model requires more memory than allowed",
            "what is installed is larger than the service allows",
        ),
    ),
)

RUNNER_GIGABYTES = 14.0  # GitHub's documentation of hosted runners: the SSD of a standard one


@TOO_LARGE.decided_by
def _too_large(facts: Facts) -> Iterator[Finding]:
    for lock, pins, wheels in locked_wheels(facts):
        known = [wheel for name, wheel in (wheels.known if wheels else {}).items() if name in pins]
        packed = sum(wheel.packed or 0 for wheel in known)
        unpacked = sum(wheel.unpacked or wheel.packed or 0 for wheel in known)  # no wheel is smaller unpacked
        needed = (packed + unpacked) / 1e9
        if needed <= RUNNER_GIGABYTES:
            continue
        largest = sorted(known, key=lambda wheel: -(wheel.unpacked or wheel.packed or 0))[:5]
        yield TOO_LARGE.finding(
            f"installing {lock.path} takes at least {needed:.1f} GB, and a standard hosted runner has "
            f"{RUNNER_GIGABYTES:.0f} GB",
            location=Location(lock.path),
            cause=f"{len(known)} wheels, {unpacked / 1e9:.1f} GB unpacked; on which machine they are installed "
            "cannot be seen here",
            evidence=tuple(f"{w.name}=={w.version}: {(w.unpacked or w.packed or 0) / 1e9:.2f} GB" for w in largest),
        )


UNMET = Rule(
    code="ST116",
    title="a locked distribution asks for what the lock does not have",
    explanation=(
        "Every wheel names what it needs, and some needs are narrow: torch 2.5.1 and 2.6.0 ask for exactly one sympy, "
        "torch 2.11.0 and 2.12.1 for setuptools before 82. A lock is installed as it is, without a resolver, so "
        "an unmet need shows only when something fails."
    ),
    fix="run `seatrial lock`, which lets a resolver choose versions that fit each other",
    needs_wheels=True,
    recognised=(
        "By the requirements that pip or uv lists as not pinned, if a pinned distribution asks for them: the lock was "
        "made on another platform."
    ),
    detected=(
        "By Requires-Dist of the locked wheels, as far as it is known; requirements of extras that are not requested "
        "do not count."
    ),
    bad="torch==2.6.0\nsympy==1.14.0",
    good="torch==2.6.0\nsympy==1.13.1",
    cloud="ERROR: pip's dependency resolver does not currently take into account all the packages that are installed",
    sources=("https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use",),
)


@UNMET.decided_by
def _unmet(facts: Facts) -> Iterator[Finding]:
    environment = {"extra": "", **marker_environment(facts.project.python)}
    said: set[str] = set()
    for entry, wheel, pins in known_pins(facts):
        extras = sorted(entry.requirement.extras) if entry.requirement else []
        absent: list[str] = []
        for text in wheel.requires or ():
            if "extra ==" in text and not extras:
                continue  # most lines are like this, and parsing each takes time
            try:
                need = Requirement(text)
            except InvalidRequirement:
                continue
            holds = need.marker is None or any(need.marker.evaluate({**environment, "extra": x}) for x in ("", *extras))
            name = str(canonicalize_name(need.name))
            pin = pins.get(name)
            if not holds or {entry.name, name} == {"torch", "torchvision"}:
                continue  # ST120 says more about the pair
            if pin is None:
                absent.append(_shown(need))
                continue
            if pin.version is not None and not need.specifier.contains(pin.version, prereleases=True):
                message = (
                    f"{entry.name}=={entry.version} needs `{_shown(need)}`, and the lock pins {name}=={pin.version}"
                )
            else:
                continue
            if message not in said:
                said.add(message)
                yield UNMET.finding(
                    message,
                    location=(pin or entry).location,
                    subject=entry.name,
                    cause="its metadata says so; the lock is installed as it is, without a resolver",
                    evidence=(f"Requires-Dist: {text}",),
                )
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            yield UNMET.finding(
                f"{entry.name}=={entry.version} needs `{absent[0]}`{more}, which the lock does not pin",
                location=entry.location,
                subject=entry.name,
                cause="its metadata says so; the lock is installed as it is, without a resolver",
                evidence=tuple(f"needs {need}" for need in absent[:8]),
            )


def _shown(need: Requirement) -> str:
    return f"{need.name}{need.specifier}"


NO_FITTING_FILE = Rule(
    code="ST117",
    title="a pin has no wheel for the platform that serves it",
    explanation=(
        "Without a wheel for Linux on x86-64 and the configured Python an installer builds the distribution from its "
        "source, which needs compilers and headers that no serving image has, and gives something else every time. "
        "Trial and image are installed from wheels only, so that what was tried is what ships. Where the lock allows "
        "the source, Seatrial builds a wheel of plain Python once, with what the build requires that day, and installs "
        "that file in both. Compiled code is refused."
    ),
    fix="pin a version that has such a wheel, or another Python, and run `seatrial lock`; or build the wheel once, "
    "publish it in an index of yours, and lock again",
    needs_wheels=True,
    detected=(
        "By the names of the files that the index has of the pinned version and whose hashes the lock allows. If all "
        "of them are sources, or if the lock allows further files, which another index may have, this only warns. "
        "Whether a source is plain Python shows when it is built, by the trial or the image."
    ),
    bad="pycocotools==2.0.2",
    good="pycocotools==2.0.10",
    cloud=(
        'Create Version failed. Bad model detected with error: "Failed to load model: User-provided package '
        "X-0.1.tar.gz failed to install"
    ),
    sources=(
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/2186",
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/5711",
    ),
    symptoms=(
        Symptom(
            r"User-provided package (?P<package>\S+) failed to install",
            "{package} could not be installed; pip's own words are not in this text",
        ),
        Symptom(
            r"Because (?P<pin>[^\s,]{1,200})\s+has\s+no\s+usable\s+wheels",
            "{pin} has no wheel that fits, and nothing is built from its source",
        ),
    ),
)


@NO_FITTING_FILE.decided_by
def _no_fitting_file(facts: Facts) -> Iterator[Finding]:
    for entry, wheel, _ in known_pins(facts):
        locked = [file.name for file in wheel.files or () if file.locked]
        if not locked or wheel.tags:
            continue
        if entry.name in ("torch", "torchvision") and _has_no_wheel(entry, facts.project.python):
            continue  # ST121 says more
        only_source = not any(name.endswith(".whl") for name in locked)
        python = facts.project.python
        yield NO_FITTING_FILE.finding(
            f"{entry.name}=={entry.version} has no wheel for Python {python} on Linux x86-64",
            location=entry.location,
            subject=entry.name,
            severity=Severity.WARNING if only_source or len(entry.hashes) > len(locked) else Severity.ERROR,
            cause=(
                "the lock allows only its source: a wheel is built from it once, with what its build requires that "
                "day, and only if it is plain Python"
                if only_source
                else f"the wheels that the lock allows are for {', '.join(_for_what(locked)) or 'something else'}"
            ),
            evidence=tuple(locked[:5]),
        )


def _has_no_wheel(entry: Entry, python: str) -> bool:
    table, version = torch_pairs(), Version(entry.version.public) if entry.version else Version("0")
    release = table.torchvision.get(version)
    pythons = table.torch.get(version) if entry.name == "torch" else (release.pythons if release else None)
    return pythons is not None and python not in pythons


def _for_what(files: list[str]) -> list[str]:
    found: set[str] = set()
    for file in files:
        try:
            tags = parse_wheel_filename(file)[3]
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        found |= {f"{tag.interpreter} on {tag.platform}" for tag in tags}
    return sorted(found)[:4]


OTHER_FILES = Rule(
    code="ST118",
    title="no file on the index has a hash of the lock",
    explanation=(
        "The same version can be a different file on another index: a lock that was made against one cannot be "
        "installed from the other, and a file that was published again has another hash too."
    ),
    fix="run `seatrial lock` with the index that will be installed from",
    severity=Severity.WARNING,
    needs_wheels=True,
    detected=(
        "Every configured index answered, at least one has the version, and none has a file with one of the lock's "
        "hashes. Another machine may ask another index, so this only warns."
    ),
    bad="a lock made against a CUDA index, installed from the default one",
    good="the index line that the lock was made with, in requirements.in",
    cloud="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    sources=("https://github.com/pytorch/pytorch/issues/104598", "https://github.com/pytorch/pytorch/issues/152009"),
)


@OTHER_FILES.decided_by
def _other_files(facts: Facts) -> Iterator[Finding]:
    for entry, wheel, _ in known_pins(facts):
        if wheel.files and not any(file.locked for file in wheel.files):
            yield OTHER_FILES.finding(
                f"no file of {entry.name}=={entry.version} on the index has a hash of the lock",
                location=entry.location,
                subject=entry.name,
                cause="the lock was made against another index, or the file was published again; which index another "
                "machine asks cannot be seen here",
                evidence=tuple(file.name for file in wheel.files[:5]),
            )


UNDECIDED = Rule(
    code="ST119",
    title="what the locked wheels hold is not known",
    explanation=(
        "Some rules need the metadata of the locked wheels, and some the modules in them: from the environment that an "
        "earlier trial kept, or from the package index, which is asked once for a lock. Without either they decide "
        "nothing."
    ),
    fix="run `seatrial check` once with a connection to the index, without --offline",
    severity=Severity.NOTE,
    needs_wheels=True,
    detected=(
        "There are hashed pins of which nothing is known, or names that the project takes from them and that could not "
        "be looked up, and the index was not to be asked or did not answer."
    ),
    bad="seatrial check --offline",
    good="seatrial check",
    sources=("https://peps.python.org/pep-0658/",),
)


@UNDECIDED.decided_by
def _undecided(facts: Facts) -> Iterator[Finding]:
    for lock, pins, wheels in locked_wheels(facts):
        hashed = [name for name, entry in pins.items() if entry.hashes]
        unknown = hashed if wheels is None else [name for name in wheels.unknown if name in hashed]
        if not unknown or not (facts.offline or (wheels and wheels.fault)):
            continue
        some = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        yield UNDECIDED.finding(
            f"nothing is known of the wheels of {some}, so these rules did not judge them: "
            f"{', '.join(rule.code for rule in (TOO_LARGE, UNMET, NO_FITTING_FILE, OTHER_FILES))}",
            location=Location(lock.path),
            cause=wheels.fault if wheels and wheels.fault else "the check was told to ask no index",
        )
    if facts.lock and facts.taken.undecided and (facts.offline or facts.taken.undecided != NOT_ASKED):
        rules = (names.MISSING_NAME, names.PICKLED_NAME, names.OLD_HOOK, names.MISFIT, numpy_abi.BUILT_FOR_NUMPY_1)
        yield UNDECIDED.finding(
            "not every name that is taken from the locked libraries could be looked up in them, so these rules may "
            f"have missed one: {', '.join(rule.code for rule in rules)}",
            location=Location(facts.lock.path),
            cause="the check was told to ask no index" if facts.offline else facts.taken.undecided,
        )


def locked_wheels(facts: Facts) -> Iterator[tuple[RequirementFile, dict[str, Entry], Wheels | None]]:
    """Yield every lock with what it pins by name, and what is known of their wheels."""
    for lock in (facts.lock, facts.cpu_lock):
        if lock is not None:
            yield lock, lock.pins(marker_environment(facts.project.python)), facts.wheels.get(lock.path)


def known_pins(facts: Facts) -> Iterator[tuple[Entry, Wheel, dict[str, Entry]]]:
    """Yield every pin of which something is known; one that both locks share, once."""
    seen: set[tuple[str, Wheel]] = set()
    for _, pins, wheels in locked_wheels(facts):
        for name, entry in pins.items():
            wheel = wheels.known.get(name) if wheels else None
            if wheel and _same(entry, wheel) and (name, wheel) not in seen:
                seen.add((name, wheel))
                yield entry, wheel, pins


def _same(entry: Entry, wheel: Wheel) -> bool:
    try:
        return entry.version is not None and Version(wheel.version).public == entry.version.public
    except InvalidVersion:
        return False
