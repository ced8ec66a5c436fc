"""What the default index has published of torch and torchvision.

Of a wheel only the parts that are needed are downloaded, at most 16 MB of each.
"""

from __future__ import annotations

import contextlib
import sys
import time
import zipfile
from collections.abc import Callable
from typing import Any, TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from seatrial.facts.packages import remote
from seatrial.facts.packages.file_names import fits, tags_of, version_of
from seatrial.facts.packages.pages import Published, files_of, metadata_of
from seatrial.facts.packages.settings import default_index

T = TypeVar("T")
Table = dict[str, Any]
_PYTHONS = tuple(f"3.{minor}" for minor in range(7, 21))
_PATIENCE = 60.0  # seconds for one file
_ATTEMPTS = 3  # one lost answer must not cost those of minutes


def releases(name: str, oldest: Version) -> dict[Version, list[Published]]:
    """Return the wheels for Linux x86-64 of every release, oldest first, without prereleases and withdrawn files.

    Raises:
        OSError, ValueError: the index does not answer, or not with a list of files.
    """
    say(f"reading the releases of {name}")
    address = default_index()
    found: dict[Version, list[Published]] = {}
    for file in _patiently(lambda end: files_of(name, address, end)):
        version = version_of(file.name)
        if version is None or version.is_prerelease or file.yanked or version < oldest:
            continue
        platforms = [tag.platform for tag in tags_of(file.name)]
        if any(each == "any" or ("linux" in each and each.endswith("x86_64")) for each in platforms):
            found.setdefault(version, []).append(file)
    if not found:
        raise ValueError(f"{address} lists no wheel of {name} for Linux x86-64")
    return {version: sorted(found[version], key=lambda file: file.name) for version in sorted(found)}


def last_of_each_minor(found: dict[Version, list[Published]]) -> dict[Version, list[Published]]:
    """Return the last patch release of each minor version, oldest first."""
    last = {(version.major, version.minor): version for version in found}
    return {version: found[version] for version in last.values()}


def pythons(files: list[Published]) -> list[str]:
    """Return the Pythons that one of the wheels fits, by its tags and its Requires-Python, oldest first."""
    return [
        python
        for python in _PYTHONS
        if any(fits(tags_of(file.name), python) and SpecifierSet(file.python).contains(f"{python}.0") for file in files)
    ]


def metadata(file: Published) -> dict[str, tuple[str, ...]]:
    """Read the METADATA of a wheel: alone if the index serves it, else from the end of the wheel.

    Raises:
        OSError, ValueError: it does not exist, or the server sends no parts.
    """
    say(f"reading {file.name}")
    fields = _patiently(lambda end: metadata_of(file, default_index(), end))
    return fields or _patiently(lambda end: remote.read(file.url, "", end).fields)


def modules(file: Published, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Read those Python files of a wheel whose path is wanted: path → content.

    Raises:
        OSError, ValueError: it does not exist, or the server sends no parts.
    """
    say(f"reading {file.name}")

    def read(end: float) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(remote.opened(file.url, "", end)) as archive:
                # In the order of the file, neighbours come with one request.
                members = sorted(archive.infolist(), key=lambda member: member.header_offset)
                names = [m.filename for m in members if m.filename.endswith(".py") and wanted(m.filename)]
                return {name: archive.read(name) for name in names}
        # zipfile's words for damaged, packed by a method that it does not know, encrypted
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"no wheel: {file.name}: {error}") from None

    return _patiently(read)


def minor(version: Version) -> str:
    """Return the minor version, as `2.6`."""
    return f"{version.major}.{version.minor}"


def span(there: list[bool], versions: list[str]) -> list[str | None]:
    """Return [since, until] for something that some versions have; None for always, or for still."""
    first = there.index(True)
    last = len(there) - 1 - there[::-1].index(True)
    since = None if first == 0 else versions[first]
    return [since, None if last == len(there) - 1 else versions[last + 1]]


def say(what: str) -> None:
    """Print to standard error what is done next."""
    sys.stderr.write(f"  {what}\n")


def _patiently(read: Callable[[float], T]) -> T:
    """Call `read` with a deadline in time.monotonic(), and again if no answer came."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(OSError):
            return read(time.monotonic() + _PATIENCE)
    return read(time.monotonic() + _PATIENCE)
