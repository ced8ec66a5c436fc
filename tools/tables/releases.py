"""What the default index has published of torch and torchvision: for the scripts that make the tables.

Of a wheel only the parts that are asked for travel, 16 MB of each at most. The tool itself never imports this.
"""

from __future__ import annotations

import contextlib
import sys
import time
import zipfile
from collections.abc import Callable
from typing import TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from seatrial.facts.packages import remote
from seatrial.facts.packages.file_names import fits, tags_of, version_of
from seatrial.facts.packages.pages import Published, files_of, metadata_of
from seatrial.facts.packages.settings import default_index

T = TypeVar("T")
_PYTHONS = tuple(f"3.{minor}" for minor in range(7, 21))
_PATIENCE = 60.0  # seconds for one file
_ATTEMPTS = 3  # one answer that was lost shall not cost those of minutes


def releases(name: str, oldest: Version) -> dict[Version, list[Published]]:
    """Give the wheels for Linux x86-64 of every release, oldest first; prereleases and withdrawn files are none.

    Raises:
        OSError, http.client.HTTPException, ValueError: the index does not answer, or with something else.
    """
    say(f"reading the releases of {name}")
    address = default_index()
    found: dict[Version, list[Published]] = {}
    for file in _patiently(lambda end: files_of(name, address, end)):
        version = version_of(file.name)
        if version is None or version.is_prerelease or file.yanked or version < oldest:
            continue
        if any("linux" in tag.platform and tag.platform.endswith("x86_64") for tag in tags_of(file.name)):
            found.setdefault(version, []).append(file)
    if not found:
        raise ValueError(f"{address} lists no wheel of {name} for Linux x86-64")
    return {version: sorted(found[version], key=lambda file: file.name) for version in sorted(found)}


def last_of_each_minor(found: dict[Version, list[Published]]) -> dict[Version, list[Published]]:
    """Give the last patch release of each minor version, oldest first."""
    last = {(version.major, version.minor): version for version in found}
    return {version: found[version] for version in last.values()}


def pythons(files: list[Published]) -> list[str]:
    """Give the Pythons that one of the wheels fits, by its tags and its Requires-Python, oldest first."""
    return [
        python
        for python in _PYTHONS
        if any(fits(tags_of(file.name), python) and SpecifierSet(file.python).contains(f"{python}.0") for file in files)
    ]


def metadata(file: Published) -> dict[str, tuple[str, ...]]:
    """Read the METADATA of a wheel: alone where the index has it so, else out of the end of the wheel.

    Raises:
        OSError, http.client.HTTPException, ValueError: there is none, or the server gives no parts.
    """
    say(f"reading {file.name}")
    fields = _patiently(lambda end: metadata_of(file, default_index(), end))
    return fields or _patiently(lambda end: remote.read(file.url, "", end).fields)


def modules(file: Published, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Read those Python files of a wheel whose path is wanted: path → content.

    Raises:
        OSError, http.client.HTTPException, ValueError: there is no such wheel, or the server gives no parts.
    """
    say(f"reading {file.name}")

    def read(end: float) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(remote.opened(file.url, "", end)) as archive:
                # In the order in which they lie there, neighbours come with one question.
                members = sorted(archive.infolist(), key=lambda member: member.header_offset)
                names = [m.filename for m in members if m.filename.endswith(".py") and wanted(m.filename)]
                return {name: archive.read(name) for name in names}
        # zipfile's words for damaged, packed by a method that it does not know, encrypted
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"no wheel: {file.name}: {error}") from None

    return _patiently(read)


def say(what: str) -> None:
    """Say on stderr what is done next, for whoever waits."""
    sys.stderr.write(f"  {what}\n")


def _patiently(read: Callable[[float], T]) -> T:
    """Ask for something until a moment of time.monotonic(), and again where no answer came."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(OSError):
            return read(time.monotonic() + _PATIENCE)
    return read(time.monotonic() + _PATIENCE)
