"""The releases of a distribution on the configured indexes, and the modules in their wheels.

A small wheel is downloaded whole, and compared with its hash; of a larger one only the list of its files and the
modules that are asked for, by range requests. All questions of one `Published` share a deadline, a number of requests
and a number of bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from seatrial.errors import UsageError
from seatrial.facts.libraries import abi, kept
from seatrial.facts.libraries.contents import MODULES, Packed
from seatrial.facts.libraries.library import Library
from seatrial.facts.libraries.taken import NOT_ASKED
from seatrial.facts.packages.file_names import fits, tags_of, version_of
from seatrial.facts.packages.settings import configured
from seatrial.system.cache import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from packaging.version import Version

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.pages import Published as Listed

OFFLINE = "SEATRIAL_OFFLINE"  # a variable that forbids asking an index
DEADLINE = 8.0  # seconds for all questions together
REQUESTS = 400
_SMALL = 4_194_304  # bytes of a wheel that is downloaded whole: as long as some range requests
_LARGEST_MODULE, _LARGEST_WHEEL = 4_194_304, 33_554_432  # bytes, unpacked, of what is read
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, KeyError)  # zipfile's words for a wheel that is none


class Unavailable(Exception):  # noqa: N818 - not a fault: an answer that cannot be had
    """What is asked cannot be read; the text says why, without addresses."""


class NoWheel(Unavailable):
    """The indexes answered that they have no wheel of a distribution: asking again is for nothing."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release: its version, one of its wheels, the index that has it, and whether the wheel runs where it serves."""

    version: Version
    file: Listed
    index: str
    fits: bool


@dataclass
class Published:
    """What the indexes have, asked within limits.

    Attributes:
        indexes: the addresses to ask, with logins.
        python: the Python that serves.
        refused: why nothing is asked; "" if it may be.
        end: the moment of time.monotonic() at which no more is asked.
        requests: how many more requests may be made.
    """

    indexes: list[str]
    python: str
    refused: str = ""
    end: float = field(default_factory=lambda: time.monotonic() + DEADLINE)
    requests: int = REQUESTS
    _files: dict[str, list[tuple[str, Listed]]] = field(default_factory=dict)
    _releases: dict[str, tuple[Release, ...]] = field(default_factory=dict)
    _libraries: dict[str, Library] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Facts | None, *, seconds: float = DEADLINE) -> Published:
        """Return what may be asked for a project; without one, the indexes that pip or uv are configured with."""
        from seatrial.facts.packages.requirements import RequirementFile

        lock = (facts.lock if facts else None) or RequirementFile("", (), (), (), (), "")
        refused = NOT_ASKED if (facts and facts.offline) or os.environ.get(OFFLINE) else ""
        python = facts.project.python if facts else "3.11"
        return cls(configured(lock), python, refused, time.monotonic() + seconds)

    def releases(self, distribution: str) -> tuple[Release, ...]:
        """Return the releases of a distribution that have a wheel, oldest first; withdrawn ones are left out.

        Raises:
            Unavailable: no index answers.
        """
        if distribution not in self._releases:
            found = _chosen(self.files(distribution), self.python)
            self._releases[distribution] = tuple(found[version] for version in sorted(found))
        return self._releases[distribution]

    def library(self, release: Release) -> Library:
        """Return the modules of a release's wheel.

        Raises:
            Unavailable: the wheel cannot be read; from questions to the library too.
        """
        key = (release.file.sha256 or hashlib.sha256(release.file.url.encode()).hexdigest())[:32]
        if key not in self._libraries:
            self._libraries[key] = Library(_Wheel.opened(release, key, self))
        return self._libraries[key]

    def compiled_for_numpy_1(self, release: Release) -> str:
        """Return a compiled module of a release's wheel that does not run with numpy 2; "" if there is none.

        Raises:
            Unavailable: the wheel cannot be read.
        """
        contents = self.library(release).contents
        return abi.built_for_numpy_1(contents.names, contents.peek) if isinstance(contents, _Wheel) else ""

    def keep(self) -> None:
        """Keep what was read in the cache; other threads may go on reading meanwhile."""
        for library in list(self._libraries.values()):
            if isinstance(library.contents, _Wheel):
                library.contents.keep()

    def spend(self) -> None:
        """Count a request.

        Raises:
            Unavailable: no more may be made.
        """
        if self.refused:
            raise Unavailable(self.refused)
        if time.monotonic() >= self.end:
            raise Unavailable("the index did not answer in time")
        if self.requests <= 0:
            raise Unavailable("it would take too many requests")
        self.requests -= 1

    def files(self, distribution: str) -> list[tuple[str, Listed]]:
        """Return the wheels of a distribution, each with the index that has it.

        Raises:
            NoWheel: the indexes have none.
            Unavailable: no index answers.
        """
        if distribution not in self._files:
            self._files[distribution] = self._listed(distribution)
        return self._files[distribution]

    def _listed(self, distribution: str) -> list[tuple[str, Listed]]:
        from seatrial.facts.packages.http import FAULTS, StatusError, words
        from seatrial.facts.packages.pages import files_of

        found: list[tuple[str, Listed]] = []
        fault = "" if self.indexes else "no index is configured that could be asked"
        for index in self.indexes:
            self.spend()
            try:
                listed = files_of(distribution, index, self.end, lambda name: name.endswith(".whl"))
            except FAULTS as error:
                fault = "" if isinstance(error, StatusError) and error.code == 404 else words(error)
                continue
            found += [(index, file) for file in listed if not file.yanked]
        if found:
            return found
        raise Unavailable(fault) if fault else NoWheel(f"the index has no wheel of {distribution}")


def _chosen(listed: Iterable[tuple[str, Listed]], python: str) -> dict[Version, Release]:
    """Return a wheel of each version: one that fits, of the first index, else any, whose modules are the same."""
    found: dict[Version, Release] = {}
    for index, file in listed:
        version = version_of(file.name)
        if version is None or (version in found and found[version].fits):
            continue
        does_fit = fits(tags_of(file.name), python) and _allows(file.python, python)
        if does_fit or version not in found:
            found[version] = Release(version, file, index, does_fit)
    return found


def _allows(wanted: str, python: str) -> bool:
    """Return whether a Requires-Python allows the last release of a Python."""
    try:
        return not wanted or SpecifierSet(wanted).contains(f"{python}.99", prereleases=True)
    except InvalidSpecifier:
        return True


@dataclass
class _Wheel(Packed):
    """A published wheel: its modules are read when they are asked for."""

    key: str = ""
    release: Release | None = None
    asked: Published | None = None
    _archive: zipfile.ZipFile | None = None
    _is_new: bool = False

    @classmethod
    def opened(cls, release: Release, key: str, asked: Published) -> _Wheel:
        folder = _cache()
        known = kept.recall(folder, key) if folder else None
        if known:
            return cls(known[0], known[1], key, release, asked)
        wheel = cls((), {}, key, release, asked, _is_new=True)
        with _readable():
            archive = wheel._open()
            wheel.names = tuple(n for n in archive.namelist() if n.endswith(MODULES) and "\n" not in n)
            if isinstance(archive.fp, io.BytesIO):
                wheel._read_all(archive)
        return wheel

    def read(self, path: str) -> bytes | None:
        """Return a module of the wheel."""
        if path not in self.texts:
            with _readable():
                archive = self._archive or self._open()
                if archive.getinfo(path).file_size > _LARGEST_MODULE:
                    return None
                self.texts = {**self.texts, path: archive.read(path)}
                self._is_new = True
        return self.texts[path]

    def peek(self, path: str) -> bytes | None:
        """Return a file that is not kept; None if it is large."""
        with _readable():
            archive = self._archive or self._open()
            return archive.read(path) if archive.getinfo(path).file_size <= _LARGEST_MODULE else None

    def keep(self) -> None:
        """Keep what was read."""
        if self._is_new and (folder := _cache()):
            kept.keep(folder, self.key, tuple(self.names), self.texts)
            self._is_new = False

    def _open(self) -> zipfile.ZipFile:
        from seatrial.facts.packages import http, remote
        from seatrial.facts.packages.pages import login_for

        assert self.release is not None and self.asked is not None  # noqa: S101, PT018 - set by `opened`
        file, login = self.release.file, login_for(self.release.file.url, self.release.index)
        opened: io.BufferedIOBase | None = None
        if file.size is None or file.size > _SMALL:
            with contextlib.suppress(ValueError):  # a server that sends no parts, such as Python's own
                opened = remote.opened(file.url, login, self.asked.end, self.asked.spend)
        if opened is None:
            self.asked.spend()
            body, _, _ = http.get(file.url, login, self.asked.end)
            if file.sha256 and hashlib.sha256(body).hexdigest() != file.sha256:
                raise Unavailable("the index sent a wheel that does not have the hash that it names")
            opened = io.BytesIO(body)
        self._archive = zipfile.ZipFile(opened)
        return self._archive

    def _read_all(self, archive: zipfile.ZipFile) -> None:
        sources = [member for member in archive.infolist() if member.filename.endswith(".py")]
        if sum(member.file_size for member in sources) <= _LARGEST_WHEEL:
            self.texts = {m.filename: archive.read(m) for m in sources if m.file_size <= _LARGEST_MODULE}


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Say what zipfile and the network say as Unavailable."""
    from seatrial.facts.packages.http import FAULTS, words

    try:
        yield
    except Unavailable:
        raise
    except (*FAULTS, *_DAMAGED) as error:
        raise Unavailable(words(error)) from None


def _cache() -> Path | None:
    try:
        return cache_dir()
    except UsageError:
        return None
