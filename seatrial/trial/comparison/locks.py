"""Two locks of one project: read, and how they differ. Nothing is installed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial import golden
from seatrial.errors import UsageError
from seatrial.facts.packages import requirements
from seatrial.facts.packages.requirements import marker_environment
from seatrial.project import Project
from seatrial.system import files, revision

FOLDER = "compare"  # in the project's build folder


@dataclass(frozen=True, slots=True)
class Lock:
    """One of the two.

    Attributes:
        name: what it is called in every sentence.
        file: where it is.
        pins: distribution → version, of what applies where predictors are served.
    """

    name: str
    file: Path
    pins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A distribution that the locks pin differently; None is the lock that does not have it."""

    name: str
    before: str | None
    now: str | None

    @property
    def computes(self) -> bool:
        """Whether it prepares images or computes, as far as its name says."""
        return self.name in (*golden.TRAINED_WITH, *golden.PREPARES)

    def __str__(self) -> str:
        """Say it in a few words."""
        if self.before is None:
            return f"{self.name} {self.now} is new"
        return f"{self.name} {self.before} is gone" if self.now is None else f"{self.name} {self.before} → {self.now}"


Pair = tuple[Lock, Lock]


def of_files(project: Project, paths: Sequence[Path]) -> Pair:
    """Return two locks that are files.

    Raises:
        UsageError: one is missing or no lock, or they cannot be compared.
    """
    first, second = paths
    for path in paths:
        if not path.is_file():
            raise UsageError(f"there is no {path}", fix="give two locks; `seatrial lock` writes the project's")
    if first.samefile(second):
        fix = "give the former lock and the new one, or `--since HEAD` for the committed and the present one"
        raise UsageError(f"{first} and {second} are the same file", fix=fix)
    return _comparable(_read(project, str(first), first), _read(project, str(second), second))


def since(project: Project, device: str, commit: str) -> Pair | None:
    """Return the project's lock as it was at a revision, and as it is; None if it was not there.

    Raises:
        UsageError: there is no such revision, or the locks cannot be compared.
        EnvironmentFaultError: git is not installed.
    """
    now = project.lock_for(device)
    if not now.is_file():
        raise UsageError(f"there is no {now.name}", fix="run `seatrial lock`")
    text = revision.content_at(commit, now)
    if text is None:
        return None
    before = project.build_dir / FOLDER / "before.txt"
    before.parent.mkdir(parents=True, exist_ok=True)
    files.write(before, text)
    return _comparable(_read(project, f"{now.name} at {commit}", before), _read(project, now.name, now))


def changes(pair: Pair) -> list[Change]:
    """Return what the second lock pins differently, by name."""
    before, now = (lock.pins for lock in pair)
    names = sorted(before.keys() | now.keys())
    return [Change(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _read(project: Project, name: str, file: Path) -> Lock:
    entries = requirements.read(file, project.root, shown_as=name).pins(marker_environment(project.python))
    if not entries:
        raise UsageError(
            f"{name} pins nothing, so it is no lock", fix="`seatrial lock` writes one from requirements.in"
        )
    return Lock(name, file, {key: str(entry.version) for key, entry in entries.items()})


def _comparable(before: Lock, now: Lock) -> Pair:
    """Refuse locks of which one cannot be the other's successor, or in which nothing can be recorded.

    Raises:
        UsageError: one pins torch and the other does not, or one does not pin NumPy.
    """
    for one, other in ((before, now), (now, before)):
        if "torch" in one.pins and "torch" not in other.pins:
            fix = "give two locks of the same project; add torch to requirements.in if the predictor imports it"
            raise UsageError(f"{one.name} pins torch, and {other.name} does not", fix=fix)
        if "numpy" not in one.pins:
            fix = "add numpy to requirements.in, and run `seatrial lock`"
            raise UsageError(f"{one.name} does not pin numpy, with which stages are recorded", fix=fix)
    return before, now
