"""Which releases of a distribution have a module, a name in it, an attribute of a class or a parameter of a function.

The releases around one version are asked: those before it at growing distance, then the newest. The border is found by
halving. It takes a handful of wheels, of each one module.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from seatrial.facts.libraries import members
from seatrial.facts.libraries.published import NoWheel, Published, Release, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seatrial.facts.libraries.library import Library

_MOST_DOUBLINGS = 9  # so that up to 511 releases are covered
_MOST_GAPS = 8
_MOST_REQUESTS = 80  # for one question


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The releases around a version that have something.

    Attributes:
        distribution: its canonical name.
        near: the version that was asked about.
        here: whether that version has it; None if its wheel does not tell.
        below: the newest older release that has it, and after which it is gone; "" if none was found.
        below_fits: whether that release has a wheel for where the project serves.
        above: the oldest newer release that has it; "" if none was found.
        advice: what the release below says about its future, such as "use numpy.isin instead".
        undecided: why nothing could be asked; "" if it could.
        final: whether asking again would find out no more.
    """

    distribution: str
    near: str
    here: bool | None = None
    below: str = ""
    below_fits: bool = True
    above: str = ""
    advice: str = ""
    undecided: str = ""
    final: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        """The releases that have it and can be installed where the project serves, the older first."""
        return tuple(version for version in (self.below if self.below_fits else "", self.above) if version)


def releases_with(
    distribution: str,
    module: str,
    name: str,
    *,
    near: str,
    asked: Published,
    parameter: str = "",
    here: bool | None = None,
    called: bool = False,
) -> Neighbours:
    """Return the releases around `near` whose `module` has `name`.

    `name` may be empty, for the module itself, or `Class.attribute`; `parameter` is one of the function or class.
    `here` says whether `near` itself has it, if that is known already. If the name is `called`, a module of that name
    is something else.
    """
    try:
        here_version = Version(near)
        releases = [
            release
            for release in asked.releases(distribution)
            if here_version.is_prerelease or not release.version.is_prerelease
        ]
    except InvalidVersion:
        return Neighbours(distribution, near, undecided=f"{near} is no version", final=True)
    except NoWheel as reason:
        return Neighbours(distribution, near, undecided=str(reason), final=True)
    except Unavailable as reason:
        return Neighbours(distribution, near, undecided=str(reason))

    allowed = asked.requests - _MOST_REQUESTS

    def has(release: Release) -> bool | None:
        if asked.requests < allowed:
            raise Unavailable("it would take too many requests")
        return members.has(asked.library(release), module, name, parameter, called=called)

    public = Version(here_version.public)
    older = [release for release in reversed(releases) if release.version < public]
    newer = [release for release in releases if release.version > public and release.fits]
    below: Release | None = None
    above: Release | None = None
    undecided = ""
    try:
        if here is None:
            here = next((has(release) for release in releases if release.version == public), None)
        if not here:
            below = _first_with(older, has)
            if newer and has(newer[-1]):
                above = _first_with(newer, has)
        advice = members.advice(asked.library(below), module, name) if below else ""
    except Unavailable as reason:
        undecided, advice = str(reason), ""
    asked.keep()
    return Neighbours(
        distribution,
        near,
        here,
        str(below.version) if below else "",
        below.fits if below else True,
        str(above.version) if above else "",
        advice,
        undecided,
    )


def library_of(distribution: str, version: str, asked: Published) -> Library | None:
    """Return the modules of one release; None if its wheel cannot be read."""
    try:
        wanted = Version(Version(version).public)
        release = next((r for r in asked.releases(distribution) if Version(r.version.public) == wanted), None)
        return asked.library(release) if release else None
    except (InvalidVersion, Unavailable):
        return None


def _first_with(releases: Sequence[Release], has: Callable[[Release], bool | None]) -> Release | None:
    """Return the first release that has something, as far as a few tell.

    At growing distance first, and then in the middle of the widest gaps: it may have come and gone between.
    """
    lacking: set[int] = {-1}
    for at in _order(len(releases)):
        if has(releases[at]):
            break
        lacking.add(at)
    else:
        return None
    before = max(place for place in lacking if place < at)
    while at - before > 1:
        middle = (before + at) // 2
        if has(releases[middle]):
            at = middle
        else:
            before = middle
    return releases[at]


def _order(number: int) -> Iterator[int]:
    """Yield places to look at, of so many: 0, 1, 3, 7 and so on, the last, and the middles of the widest gaps."""
    looked = {-1}
    for doubling in range(_MOST_DOUBLINGS):
        at = min((1 << doubling) - 1, number - 1)
        if at in looked:
            break
        looked.add(at)
        yield at
    for _ in range(_MOST_GAPS):
        edges = sorted({*looked, number})
        width, low = max((high - low, low) for low, high in itertools.pairwise(edges))
        if width < 2:
            return
        looked.add(low + width // 2)
        yield low + width // 2
