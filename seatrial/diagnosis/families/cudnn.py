"""cuDNN: another one is loaded than a library was built with. Both versions are in what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import importer, text_of, words_of
from seatrial.rules.lock import native

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_DIFFER = (
    re.compile(
        r"cuDNN version (?:incompatibility|mismatch): (?P<who>PyTorch) was compiled "
        r"against \(?(?P<built>\d[\d, ]*\d)\)? "
        r"but (?:found runtime version|linked against) \(?(?P<has>\d[\d, ]*\d)\)?"
    ),
    re.compile(
        r"Loaded runtime CuDNN library: (?P<has>[\d.]+\d) but source was compiled with: (?P<built>[\d.]+\d)"
    ),  # TensorFlow
)
_WHEELS = ("nvidia-cudnn-cu11", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception that names two versions of cuDNN."""
    yield from _told(words_of(raised), importer(raised), raised.position, case)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line that names two versions of cuDNN."""
    if "udnn" in statement.text.lower():
        yield from _told(text_of(statement), "", statement.position, case)


def _told(text: str, whose: str, position: int, case: Case) -> Iterator[Diagnosis]:
    found = next((m for pattern in _DIFFER if (m := pattern.search(" ".join(text.split())))), None)
    if found is None:
        return
    built, has = _version(found["built"]), _version(found["has"])
    name = "torch" if found.groupdict().get("who") else whose or "the library"
    pinned = next((f"{wheel} {case.locked(wheel)}" for wheel in _WHEELS if case.locked(wheel)), "")
    finding = native.OTHER_LIBRARY.finding(
        f"{name} was built with cuDNN {built}, and cuDNN {has} is loaded in its place",
        subject="cudnn",
        cause=(
            "A wheel of torch brings the cuDNN that it needs, or pins its wheel. A cuDNN of the base image, of conda "
            "or of another library, or a path in LD_LIBRARY_PATH, is found before it."
        ),
        fix=(
            "start the server without LD_LIBRARY_PATH (`ENV LD_LIBRARY_PATH=` in the image), or take a base image "
            "without cuDNN (`-base` or `-runtime` in place of `-cudnn`)"
            + (
                f"; the lock has {pinned}: it must be the one that the locked torch asks for"
                if pinned
                else "; if the lock names a wheel of cuDNN (nvidia-cudnn-cu12), let torch alone decide its version"
            )
        ),
    )
    yield Diagnosis(finding, f"{name} prints the version that it was built with and the one that it found", position)


def _version(text: str) -> str:
    """Return a version as a person writes it: of `8, 5, 0`, or of one number such as 7102."""
    if "," in text:
        return ".".join(part.strip() for part in text.split(","))
    if text.isdigit() and len(text) >= 4:
        number = int(text)
        large = 10_000 if number >= 90_000 else 1_000  # cudnn_version.h: 9 and later have another factor
        return f"{number // large}.{number % large // 100}.{number % 100}"
    return text
