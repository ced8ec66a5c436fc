"""The modules of the locked distributions: of the environment that is kept of the lock, else of published wheels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.facts.libraries import abi
from seatrial.facts.libraries.contents import Installed, Kind
from seatrial.facts.libraries.library import Library
from seatrial.facts.libraries.published import NoWheel, Release
from seatrial.facts.packages import installed, requirements
from seatrial.facts.packages.file_names import fits, tags_of, version_of
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import distributions_of, is_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.facts.libraries.published import Published
    from seatrial.facts.packages.requirements import Entry, RequirementFile

_NUMPY_2 = "2024-06-16"  # the day of numpy 2.0.0: https://github.com/numpy/numpy/releases/tag/v2.0.0


@dataclass
class Locked:
    """The libraries of a lock.

    Attributes:
        pins: canonical name → the entry of the lock.
        published: what the indexes have.
        site: the folder of distributions of the kept environment; None if none is kept.
    """

    pins: Mapping[str, Entry]
    published: Published
    site: Path | None
    _kept: Library | None = None
    _remote: dict[str, Library | None] = field(default_factory=dict)
    _tops: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, lock: RequirementFile, text: str, python: str, cache: Path, published: Published) -> Locked:
        """Return the libraries of a lock with this text."""
        merged = installed.merged(lock, text, requirements.read_runtime("requirements.txt"))
        site = installed.find(cache, merged, python)
        pins = {name: entry for name, entry in lock.pins(marker_environment(python)).items() if entry.hashes}
        return cls(pins, published, site, Library(Installed(site)) if site else None)

    def provider(self, module: str) -> str:
        """Return the locked distribution that provides a module; "" if none surely does."""
        top = module.partition(".")[0]
        if top not in self._tops:
            self._tops[top] = self._provider(module, top)
        return self._tops[top]

    def library(self, distribution: str) -> Library | None:
        """Return the modules of a locked distribution; None if they cannot be read.

        Raises:
            Unavailable: neither an environment is kept nor does an index answer.
        """
        if self._kept is not None:
            return self._kept
        if distribution not in self._remote:
            release = self.release(distribution)
            self._remote[distribution] = self.published.library(release) if release else None
        return self._remote[distribution]

    def release(self, distribution: str) -> Release | None:
        """Return the published wheel that a lock allows and that fits; None if the index has none."""
        entry = self.pins[distribution]
        allowed = {h.removeprefix("sha256:") for h in entry.hashes}
        try:
            listed = self.published.files(distribution)
        except NoWheel:
            return None
        for index, file in listed:
            if file.sha256 and file.sha256 not in allowed:
                continue
            if (
                entry.version
                and entry.version == version_of(file.name)
                and fits(tags_of(file.name), self.published.python)
            ):
                return Release(entry.version, file, index, fits=True)
        return None

    def version(self, distribution: str) -> str:
        """Return the locked version of a distribution."""
        return str(self.pins[distribution].version)

    def _provider(self, module: str, top: str) -> str:
        if is_namespace(top):
            return ""
        named = [name for name in distributions_of(module) if name in self.pins]
        plain = re.sub(r"[-_.]", "", canonicalize_name(top))
        named += [name for name in self.pins if name.replace("-", "") == plain]
        if self.site is not None and self._kept is not None:
            return next((name for name in named if self._installs(name, top)), "") or self._by_records(top)
        return named[0] if named else ""

    def _installs(self, distribution: str, top: str) -> bool:
        """Return whether a distribution installed a top-level module, or nothing did: then it may have had it once."""
        assert self._kept is not None  # noqa: S101 - only asked with a kept environment
        place = self._kept.contents.find(top)
        return place is None or place.kind is Kind.NAMESPACE or top in self._recorded(distribution)

    def _by_records(self, top: str) -> str:
        return next((name for name in self.pins if top in self._recorded(name)), "")

    def _recorded(self, distribution: str) -> frozenset[str]:
        """Return the top-level names in a distribution's RECORD."""
        info = self._info(distribution)
        text = installed.text_of(info / "RECORD") if info else ""
        return frozenset(re.findall(r"^\"?([A-Za-z_]\w*)(?:\.py|/|\.[\w.-]*so)", text, re.MULTILINE))

    def _info(self, distribution: str) -> Path | None:
        """Return the folder in which a distribution of the kept environment describes itself."""
        infos = self.site.glob("*.dist-info") if self.site else ()
        return next((info for info in infos if canonicalize_name(info.name.split("-")[0]) == distribution), None)

    def numpy_1_module(self, distribution: str) -> str:
        """Return a compiled module of a distribution that was built for numpy 1 and does not run with numpy 2.

        Of published wheels only those from before numpy 2 are read.

        Raises:
            Unavailable: the wheel cannot be read.
        """
        if self.site is not None:
            info = self._info(distribution)
            files = (
                re.findall(r"^\"?([^,\"\n]+\.so)\b", installed.text_of(info / "RECORD"), re.MULTILINE) if info else []
            )
            return abi.built_for_numpy_1(files, Installed(self.site).read)
        release = self.release(distribution)
        if release is None or not release.file.uploaded or release.file.uploaded[:10] >= _NUMPY_2:
            return ""
        return self.published.compiled_for_numpy_1(release)
