"""Family 1, builds: was the locked torch built for the base image and for its torchvision?

What a build is for is known from its label, its wheel's tags and a table of the published wheels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.tables import library_of, torch_builds, torch_pairs
from seatrial.findings import Location, Severity
from seatrial.rules.lock.wheels import known_pins, locked_wheels
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry
    from seatrial.findings import Finding

OLD_LIBRARY = Rule(
    code="ST115",
    title="the base image's C library is too old for the locked wheels, or not glibc",
    explanation=(
        "A wheel says which C library it was built for: `manylinux_2_28` needs glibc 2.28 or later, and torch has had "
        "only such wheels since 2.7. Alpine has musl instead of glibc, and no torch is published for it."
    ),
    fix="take a base with a newer glibc, such as python:3.11-slim, by its digest",
    severity=Severity.WARNING,
    needs_wheels=True,
    detected=(
        "By the name in `image.base` and in FROM lines of Dockerfiles, against the tags of the locked wheels, or of "
        "torch and torchvision by a table. A name can be wrong about its content, so this only warns; a name that "
        "names no release is not judged."
    ),
    bad="FROM python:3.11-alpine",
    good="FROM python:3.11-slim-bookworm",
    cloud="ERROR: No matching distribution found for torch",
    sources=("https://peps.python.org/pep-0600/", "https://peps.python.org/pep-0656/"),
)


@OLD_LIBRARY.decided_by
def _old_library(facts: Facts) -> Iterator[Finding]:
    needed, whose = _needed_library(facts)
    if not whose:
        return
    bases = [(facts.project.image.base, Location("pyproject.toml"))] if facts.project.image.base else []
    for file in facts.builds.files:
        bases += [(base.text, base.location) for base in file.bases[-1:]]  # what comes before the last stage is gone
    for image, place in bases:
        library = library_of(image)
        if not library or (library != "musl" and Version(library) >= needed):
            continue
        has = "musl instead of glibc" if library == "musl" else f"glibc {library}"
        yield OLD_LIBRARY.finding(
            f"{image.partition('@')[0]} has {has}, and {whose} needs glibc {needed}",
            location=place,
            cause="by its name; what is in the image cannot be seen here",
        )


def _needed_library(facts: Facts) -> tuple[Version, str]:
    """Return the newest glibc that a locked wheel needs, and which wheel that is."""
    needed, whose = Version("0"), ""
    for entry, wheel, _ in known_pins(facts):
        versions = [
            Version(f"{m[1]}.{m[2]}") for tag in wheel.tags for m in re.finditer(r"manylinux_(\d+)_(\d+)_", tag)
        ]
        versions += [Version("2.17") for tag in wheel.tags if "manylinux2014" in tag]
        if versions and min(versions) > needed:  # a wheel of several tags runs on the oldest of them
            needed, whose = min(versions), entry.text
    for _, pins, _ in locked_wheels(facts):
        torch = pins.get("torch")
        build = torch_builds().of(torch.version) if torch and torch.version else None
        if torch and build and build.glibc > needed:
            needed, whose = build.glibc, torch.text
    return needed, whose


OTHER_FLAVOUR = Rule(
    code="ST125",
    title="torch and torchvision are of different builds",
    explanation=(
        "The versions fit and every resolver accepts them, but one is a CPU build and the other a CUDA build, or both "
        "are of different CUDA versions. torchvision's compiled part is then linked with libraries that this torch "
        "does not bring."
    ),
    fix="take both from one index, with the same label or both without, and run `seatrial lock`",
    needs_wheels=True,
    detected=(
        "By the labels of the pins and, where an environment of the lock is kept, more surely by the libraries that "
        "torchvision's compiled part is linked with against the CUDA that torch says it was built for. A torchvision "
        "without any CUDA library works with every torch of its version, and is not a finding."
    ),
    bad="torch==2.8.0+cu128\ntorchvision==0.23.0+cpu",
    good="torch==2.8.0+cu128\ntorchvision==0.23.0+cu128",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=("https://github.com/pytorch/pytorch/issues/122494", "https://github.com/pytorch/vision/issues/9174"),
)


@OTHER_FLAVOUR.decided_by
def _other_flavour(facts: Facts) -> Iterator[Finding]:
    for lock, pins, wheels in locked_wheels(facts):
        torch, torchvision = pins.get("torch"), pins.get("torchvision")
        if torch is None or torchvision is None or torch.version is None or torchvision.version is None:
            continue
        labels = (torch.version.local or "", torchvision.version.local or "")
        is_cpu_lock = lock is facts.cpu_lock
        if labels[0] != labels[1] and not is_cpu_lock:  # ST104 says more about that
            yield OTHER_FLAVOUR.finding(
                f"torch=={torch.version} and torchvision=={torchvision.version} are of different builds",
                location=torchvision.location,
                cause=f"torch is {_flavour(labels[0])}, torchvision {_flavour(labels[1])}; no resolver compares them",
                evidence=(f"{torch.location}: {torch.text}", f"{torchvision.location}: {torchvision.text}"),
            )
            continue
        known = wheels.known if wheels else {}
        cuda = known["torch"].cuda if "torch" in known else None
        needed = known["torchvision"].needed if "torchvision" in known else None
        if cuda is None or needed is None or not _fits_pair(torch, torchvision):
            continue
        runtime = next((library for library in needed if library.startswith("libcudart.so.")), "")
        if not cuda and any("cuda" in library for library in needed):
            what = next(library for library in needed if "cuda" in library)
            cause = (
                f"torchvision's compiled part is linked with {what}, but torch is a CPU build, which does not have it"
            )
        elif cuda and runtime and not runtime.startswith(f"libcudart.so.{cuda.split('.')[0]}"):
            cause = f"torchvision's compiled part is linked with {runtime}, and torch was built for CUDA {cuda}"
        else:
            continue
        yield OTHER_FLAVOUR.finding(
            f"torch=={torch.version} and torchvision=={torchvision.version} are of different builds",
            location=torchvision.location,
            cause=cause,
            evidence=tuple(f"needs {library}" for library in needed if "cuda" in library),
        )


def _fits_pair(torch: Entry, torchvision: Entry) -> bool:
    """Return whether the versions belong together; if not, ST120 reports it."""
    if torch.version is None or torchvision.version is None:
        return False
    release = torch_pairs().torchvision.get(Version(torchvision.version.public))
    return release is None or release.torch.contains(Version(torch.version.public), prereleases=True)


def _flavour(label: str) -> str:
    return f"the +{label} build" if label else "the build of the default index"
