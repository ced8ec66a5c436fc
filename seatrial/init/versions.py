"""Chooses the Python and the pair of torch and torchvision: training's, if a server can have it; else today's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from seatrial.errors import UsageError
from seatrial.facts.tables import distributions_of, extra_of, torch_pairs
from seatrial.init.notes import where
from seatrial.project import RUNTIME_PYTHON_FLOOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.facts.repository.packages import Asked
    from seatrial.facts.repository.read import Repository
    from seatrial.facts.tables import TorchvisionRelease
    from seatrial.init.notes import Notes

_USUAL = "3.11"  # the default of `python`
_NUMPY_2 = Version(
    "2.3"
)  # the first torch that was built for numpy 2: https://github.com/pytorch/pytorch/issues/107302
_PAIR = ("torch", "torchvision")


@dataclass(frozen=True, slots=True)
class Pair:
    """A torch and the torchvision that belongs to it.

    Attributes:
        torch: its version.
        torchvision: likewise.
        why: why these, in a few words.
        is_trainings: whether training used them.
        python: the Python that serves.
    """

    torch: Version
    torchvision: Version
    why: str
    is_trainings: bool
    python: str


def choose_pair(repository: Repository, python: str, notes: Notes) -> Pair:
    """Choose the pair and the Python; `python` is what the user wants, "" for no wish.

    Raises:
        UsageError: the pair has no wheels for the Python that the user wants.
    """
    wanted = {python} if python else {minor for named in repository.pythons[:1] for minor in named.minors}
    torch, torchvision, why, pythons = _pair(repository, wanted, notes)
    if python and python not in pythons:
        raise UsageError(
            f"Python {python}: torch {torch} and torchvision {torchvision}, {why}, have no wheels for it that a server "
            "can use",
            fix=f"name another with --python: {', '.join(pythons)}",
        )
    chosen = python or _python(repository, pythons, notes)
    return Pair(torch, torchvision, why, why.startswith("training's"), chosen)


def requirement_lines(repository: Repository, pair: Pair, modules: Iterable[str]) -> list[tuple[str, str]]:
    """Return the lines of requirements.in for what the modules named import, each with why."""
    torch, kept = pair.torch, pair.is_trainings
    lines = [(f"torch=={torch}", pair.why), (f"torchvision=={pair.torchvision}", "the one that belongs to it")]
    extras: dict[str, set[str]] = {}
    for module in modules:
        extras.setdefault(distributions_of(module)[0], set()).update(filter(None, [extra_of(module)]))
    for name in sorted(extras.keys() - set(_PAIR)):
        asked = f"{name}[{','.join(sorted(extras[name]))}]" if extras[name] else name
        pin = next((a for a in repository.asked if a.name == name and a.specifier.startswith("==")), None)
        version = _exact(pin.specifier) if pin and kept else None
        if pin and version:
            lines.append((f"{asked}=={version}", f"as in {where(pin.location)}"))
        else:
            lines.append((asked, "imported"))
    if torch < _NUMPY_2 and not any(
        canonicalize_name(line.partition("=")[0]) == "numpy" and "=" in line for line, _ in lines
    ):
        lines = [row for row in lines if row[0] != "numpy"]
        lines.append(("numpy<2", f"torch {torch} was built for numpy 1"))
    return lines


def _pair(repository: Repository, wanted: set[str], notes: Notes) -> tuple[Version, Version, str, tuple[str, ...]]:
    """Return torch, torchvision, why these, and the Pythons that have both; of equals one that a wanted Python has."""
    table = torch_pairs()
    asked = {name: [a for a in repository.asked if a.name == name] for name in _PAIR}
    pinned = {name: next((a for a in asked[name] if _exact(a.specifier)), None) for name in _PAIR}
    allowed = {name: _specifiers(asked[name]) for name in _PAIR}
    candidates = [
        (release, torch)
        for release in table.torchvision.values()
        for torch in table.torch
        if release.torch.contains(torch) and _pythons(release, torch)
    ]
    exact_torch = _exact(pinned["torch"].specifier) if pinned["torch"] else None
    exact_vision = _exact(pinned["torchvision"].specifier) if pinned["torchvision"] else None
    trained = [
        (release, torch)
        for release, torch in candidates
        if exact_torch in (None, torch) and exact_vision in (None, release.version) and (exact_torch or exact_vision)
    ]
    if trained:
        release, torch = _newest(trained, wanted)
        origin = next(a for a in (pinned["torch"], pinned["torchvision"]) if a)
        notes.tell("torch and torchvision", f"{torch} and {release.version}, training's", origin.location)
        return torch, release.version, f"training's, by {where(origin.location)}", _pythons(release, torch)
    fitting = [
        (release, torch)
        for release, torch in candidates
        if allowed["torch"].contains(torch) and allowed["torchvision"].contains(release.version)
    ]
    release, torch = _newest(fitting or candidates, wanted)
    if exact_torch or exact_vision:
        origin = next(a for a in (pinned["torch"], pinned["torchvision"]) if a)
        floor = ".".join(map(str, RUNTIME_PYTHON_FLOOR))
        notes.unknown.append(
            f"whether the model answers alike with torch {torch}: {where(origin.location)} has "
            f"{origin.name}{origin.specifier}, which has no wheel for Python {floor} or later, or no known partner"
        )
    ranges = (a for name in _PAIR for a in asked[name] if a.specifier and not _exact(a.specifier))
    origins = list(dict.fromkeys(a.location.path for a in ranges)) if fitting else []
    why = f"the newest that {', '.join(origins)} allows" if origins else f"the newest of {table.read_on}"
    if not (exact_torch or exact_vision):
        notes.unknown.append(f"the versions that training used: {why} were taken; golden answers show if that matters")
    return torch, release.version, why, _pythons(release, torch)


def _newest(pairs: list[tuple[TorchvisionRelease, Version]], wanted: set[str]) -> tuple[TorchvisionRelease, Version]:
    """Return the newest pair that a wanted Python has, or else the usual one."""
    theirs = [pair for pair in pairs if wanted & set(_pythons(*pair))]
    usual = [pair for pair in pairs if _USUAL in _pythons(*pair)]
    return max(theirs or usual or pairs, key=lambda pair: (pair[0].version, pair[1]))


def _pythons(release: TorchvisionRelease, torch: Version) -> tuple[str, ...]:
    """Return the Pythons that have wheels of both, and that the runtime runs on."""
    both = [python for python in release.pythons if python in torch_pairs().torch.get(torch, ())]
    return tuple(p for p in both if tuple(map(int, p.split("."))) >= RUNTIME_PYTHON_FLOOR)


def _python(repository: Repository, pythons: tuple[str, ...], notes: Notes) -> str:
    for named in repository.pythons:
        fitting = [python for python in pythons if python in named.minors]
        if fitting:
            chosen = _USUAL if _USUAL in fitting else fitting[-1]
            notes.tell("Python", chosen, named.location)
            return chosen
    chosen = _USUAL if _USUAL in pythons else pythons[-1]
    if repository.pythons:
        named = repository.pythons[0]
        told = f"{where(named.location)} has {named.specifier}, which the pair or the runtime has no wheels for"
        notes.unknown.append(f"whether all runs on Python {chosen}: {told}")
    else:
        notes.tell("Python", chosen, "the wheels of torch and torchvision; no file names another")
    return chosen


def _specifiers(asked: Iterable[Asked]) -> SpecifierSet:
    return SpecifierSet(",".join(a.specifier for a in asked if not _exact(a.specifier)))


def _exact(specifier: str) -> Version | None:
    """Return the one version that a specifier allows, without the label of a build."""
    text = specifier.removeprefix("==")
    if not specifier.startswith("==") or "*" in text or "," in text:
        return None
    try:
        return Version(Version(text.removeprefix("=")).public)
    except InvalidVersion:
        return None
