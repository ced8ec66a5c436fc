"""The names of wheels and sdists: their version, their tags, and where a wheel runs."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from packaging.tags import Tag
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version


def version_of(file: str) -> Version | None:
    """Return the version in a file's name; None if it is neither a wheel nor an sdist."""
    with contextlib.suppress(InvalidWheelFilename, InvalidSdistFilename):
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1]
    return None


def tags_of(file: str) -> frozenset[Tag]:
    """Return the tags in a wheel's name; none if it is not a wheel."""
    with contextlib.suppress(InvalidWheelFilename):
        return parse_wheel_filename(file)[3]
    return frozenset()


def fits(tags: Iterable[Tag], python: str) -> bool:
    """Return whether one of the tags runs on CPython `python` on Linux x86-64 with glibc of any version."""
    minor = int(python.split(".")[1])
    exact = {f"cp3{minor}"}
    abis = {f"cp3{minor}m"} if minor < 8 else exact  # the letter went with Python 3.8
    below = {f"cp3{n}" for n in range(2, minor + 1)}  # the stable ABI
    pure = {"py3", *(f"py3{n}" for n in range(minor + 1)), *exact}
    return any(
        (tag.platform == "any" or re.fullmatch(r"(?:many)?linux\w*_x86_64", tag.platform) is not None)
        and (
            (tag.interpreter in exact and tag.abi in abis)
            or (tag.interpreter in below and tag.abi == "abi3")
            or (tag.interpreter in pure and tag.abi == "none")
        )
        for tag in tags
    )


def major_of(file: str) -> int | None:
    """Return the major version in a file's name, quickly: an index lists thousands of files."""
    found = re.search(r"-(?:\d+!)?v?(\d{1,9})[^-]*(?:-|$)", file)
    return int(found[1]) if found else None
