"""Family 1, training: are the locked versions those that training used?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from seatrial.facts.packages.requirements import marker_environment
from seatrial.findings import Location, Severity
from seatrial.golden import PREPARES
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry
    from seatrial.findings import Finding

OTHER_VERSIONS = Rule(
    code="ST130",
    title="the lock holds other versions than training used",
    explanation=(
        "The same code gives different numbers in different versions: torchvision 0.17 turned antialias on for "
        "tensors, Pillow 9.0 decodes JPEG with another library. A different major or minor version of "
        "torch, torchvision or Pillow is an error; every other difference, a patch, numpy or Python itself, or another "
        "major version of a library that may prepare images (transformers, timm, albumentations, OpenCV), "
        "is a warning, and the golden answers decide."
    ),
    fix="pin in requirements.in what training used and run `seatrial lock`, or train again with the lock",
    detected="`trained_with` of artifacts/manifest.json is compared with the pins. Without a manifest nothing is known "
    "of the training, and there is no finding.",
    bad="trained with pillow 8.4.0, and pillow==11.3.0 is locked",
    good="trained with pillow 11.3.0, and pillow==11.3.0 is locked",
    sources=(
        "https://github.com/pytorch/vision/releases/tag/v0.17.0",
        "https://github.com/python-pillow/Pillow/issues/6262",
    ),
)

DECIDE_ANSWERS = (
    "torch",
    "torchvision",
    "pillow",
)  # a minor release of these has moved pixels or weights before
RECORDED = (*DECIDE_ANSWERS, "numpy")
OPENCV = tuple(name for name in PREPARES if name.startswith("opencv"))  # distributions of one library


@OTHER_VERSIONS.decided_by
def _other_versions(facts: Facts) -> Iterator[Finding]:
    if facts.manifest is None:
        return
    seen: set[tuple[str, str]] = set()
    for lock in (facts.lock, facts.cpu_lock):
        pins = lock.pins(marker_environment(facts.project.python)) if lock else {}
        for name in RECORDED:
            trained, pin = facts.manifest.trained_with.get(name), pins.get(name)
            if trained and pin and (name, pin.text) not in seen:
                seen.add((name, pin.text))
                yield from _compare(name, trained, pin)
        yield from _prepared(facts.manifest.trained_with, pins, seen)
    trained = facts.manifest.trained_with.get("python", "")
    if trained and _minor(trained) != _minor(facts.project.python):
        yield OTHER_VERSIONS.finding(
            f"training ran on Python {trained}, the server will run on {facts.project.python}",
            severity=Severity.WARNING,
            location=Location("pyproject.toml"),
            subject="python",
            fix=f'set python = "{".".join(trained.split(".")[:2])}" in [tool.seatrial], or train again',
        )


def _compare(name: str, trained: str, pin: Entry) -> Iterator[Finding]:
    if pin.version is None or _public(trained) == pin.version.public:
        return
    decisive = name in DECIDE_ANSWERS and _minor(trained) != _minor(str(pin.version))
    yield OTHER_VERSIONS.finding(
        f"training used {name} {trained}, the lock has {pin.version}",
        severity=Severity.ERROR if decisive else Severity.WARNING,
        location=pin.location,
        subject=name,
        cause=changed_between(name, trained, pin.version),
        fix=f"pin `{name}=={_public(trained)}` in requirements.in and run `seatrial lock`, or train again",
    )


def _prepared(
    trained_with: Mapping[str, str], pins: Mapping[str, Entry], seen: set[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield a finding for each library that may prepare images and has another major version than in training."""
    for name in (name for name in PREPARES if name in trained_with):
        same = OPENCV if name in OPENCV else (name,)
        pin = next((pins[each] for each in same if each in pins), None)
        if pin is None or pin.version is None or (name, pin.text) in seen:
            continue
        seen.add((name, pin.text))
        trained = trained_with[name]
        if _major(trained) != _major(str(pin.version)):
            yield OTHER_VERSIONS.finding(
                f"training used {name} {trained}, the lock has {pin.name} {pin.version}, another major version",
                severity=Severity.WARNING,
                location=pin.location,
                subject=name,
                cause=changed_between(name, trained, pin.version)
                or "its defaults may have changed; only golden answers show whether images are prepared alike",
                fix=f"pin `{pin.name}=={_public(trained)}` in requirements.in and run `seatrial lock`, or train again",
            )


# What is known to have changed at a release, and its source: the wheels' libraries and hashes of what they decode.
_CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "pillow": (
        ("7", "from 7.0 on `convert('L')` gives other grey values, and thumbnail() other pixels"),
        ("9", "from 9.0 on its wheels decode JPEG with libjpeg-turbo, which gives other pixels of most photos"),
    ),
    "torchvision": (
        ("0.17", "from 0.17 on Resize smooths tensors by default (`antialias=True`); 0.10 to 0.16 did not"),
    ),
    # transformers/models/auto/image_processing_auto.py and https://github.com/huggingface/transformers/pull/39591
    "transformers": (
        ("5", "from 5 on AutoImageProcessor gives the processor of torchvision (`use_fast`), which resizes otherwise"),
    ),
    "numpy": (("2", "numpy 2 promotes mixed types differently from numpy 1"),),
}  # fmt: skip


def changed_between(name: str, trained: str, locked: Version) -> str:
    """Return what is known to have changed between two versions; "" if nothing is."""
    try:
        first, second = sorted((Version(_public(trained)), Version(locked.public)))
    except InvalidVersion:
        return ""
    return "; ".join(what for release, what in _CHANGES.get(name, ()) if first < Version(release) <= second)


def _public(version: str) -> str:
    try:
        return Version(version).public
    except InvalidVersion:
        return version


def _major(version: str) -> tuple[int, ...] | str:
    """Return what another version must have for a library to be compatible: 4, and 0.9 before 1.0."""
    minor = _minor(version)
    return minor if isinstance(minor, str) or minor[0] == 0 else minor[:1]


def _minor(version: str) -> tuple[int, ...] | str:
    try:
        return Version(version).release[:2]
    except InvalidVersion:
        return version
