"""Whose code a file of a traceback is: the project's, a distribution's, Python's own, or the server's.

It goes by the path alone, because the log may be of another machine: by the folders into which Python and installers
put things, and by the names of the project's packages. Nothing is opened but the project's own folder.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.diagnosis.raised import Frame, Owner
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import distributions_of, is_known
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.facts.packages.requirements import Entry, RequirementFile
    from seatrial.project import Project

SITE = ("site-packages", "dist-packages")
# Modules of what starts or serves a predictor; `ts` is TorchServe, `google_cloud_…` the server of Google's own images.
SERVERS = frozenset(
    (
        "bentoml",
        "daphne",
        "gunicorn",
        "hypercorn",
        "kserve",
        "litserve",
        "mlserver",
        "seatrial",
        "ts",
        "uvicorn",
        "waitress",
    )
)
_LIBRARY = re.compile(
    r"(?:^|/)(?:lib(?:64)?/(?:python|pypy)\d(?:\.\d+)?t?|[Pp]ython\d{2,3}/[Ll]ib|Lib)/(?P<inside>.+)$"
)
_ZIPPED = re.compile(r"(?:^|/)python\d+\.zip/(?P<inside>.+)$")
_FROZEN = re.compile(r"^<frozen (?P<module>[\w.]+)>$")
_PROGRAM = re.compile(r"(?:^|/)(?:s?bin|Scripts)/(?P<name>[^/]+?)(?:\.exe|\.py)?(?:/__main__\.py)?$")
_TOOL = re.compile(r"/seatrial/(?:serving|trial/inside)/\w+\.py$")  # from a checkout; otherwise it is installed
_CELL = re.compile(r"^<ipython-input|/ipykernel_\d+/")
_EGG = re.compile(r"\.(?:egg|whl|zip)$")


@dataclass(frozen=True)
class Owners:
    """Who owns what in the log of a project; without one, in a log of which only the text is known.

    Attributes:
        project: whose log it is.
        lock: its lock.
        own: names of packages that are the project's although they lie among the installed ones.
        foreign: whether a file that is neither installed nor in the project is somebody else's: so it is in a log
            that has files of the project.
    """

    project: Project | None = None
    lock: RequirementFile | None = None
    own: frozenset[str] = frozenset()
    foreign: bool = False
    _pins: Mapping[str, Entry] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the lock once."""
        pins = self.lock.pins(marker_environment(self.project.python)) if self.project and self.lock else {}
        object.__setattr__(self, "_pins", pins)

    def frame(self, file: str, line: int, function: str = "", source: str = "") -> Frame:
        """Return the frame of a traceback with its owner."""
        path = file.replace("\\", "/")
        if frozen := _FROZEN.match(path):
            return Frame(file, line, function, source, Owner.PYTHON, module=frozen["module"])
        inside = _installed(path)
        if inside:
            return self._of_installed(Frame(file, line, function, source, Owner.DISTRIBUTION), inside)
        if standard := _standard(path):
            return Frame(file, line, function, source, Owner.PYTHON, module=_module(standard.split("/")))
        if program := _PROGRAM.search(path):
            owner = Owner.SERVER if program["name"] in SERVERS | {"torchserve"} else Owner.UNKNOWN
            return Frame(file, line, function, source, owner)
        if path.startswith("<") and not _CELL.search(path):
            return Frame(file, line, function, source, Owner.UNKNOWN)
        shown = self.in_project(path)
        if not shown and (self.foreign or _TOOL.search(path)):
            return Frame(file, line, function, source, Owner.UNKNOWN)
        place = Location(shown, line) if shown else None
        module = _module(self.project.shipped_path(shown).split("/")) if self.project and shown else ""
        return Frame(file, line, function, source, Owner.PROJECT, module=module, place=place)

    def distribution_of(self, module: str) -> str:
        """Return the normalised name of the distribution that provides a module; a locked one if several could."""
        names = distributions_of(module)
        if locked := next((name for name in names if name in self._pins), ""):
            return locked
        if not is_known(module):
            plain = squeezed(module.partition(".")[0])
            return next((name for name in self._pins if squeezed(name) == plain), names[0])
        return names[0]

    def version_of(self, distribution: str) -> str:
        """Return the version that the project locks; "" if it locks none, or there is no project."""
        entry = self._pins.get(distribution)
        return str(entry.version) if entry else ""

    def in_project(self, path: str) -> str:
        """Return the path below the project's root of a file that is not installed; "" if the project has none such.

        The file may be of an image, where the project lies in another folder such as `/app`.
        """
        if self.project is None:
            return ""
        root = self.project.root
        parts = [part for part in path.split("/") if part not in ("", ".")]
        own = [part for part in root.as_posix().split("/") if part]
        if path.startswith("/") and parts[: len(own)] == own:
            return "/".join(parts[len(own) :])
        if ".." in parts:
            return ""
        tails = ("/".join(parts[start:]) for start in range(len(parts)))
        folders = [f"{folder}/".lstrip("/") for folder in self.project.source_folders]
        found = (f"{folder}{tail}" for tail in tails for folder in folders)
        return next((each for each in found if _is_file(root / each)), "")

    def _of_installed(self, frame: Frame, inside: list[str]) -> Frame:
        top = inside[0].removesuffix(".py").partition(".")[0]
        module = _module(inside)
        if self.project and top in self.project.packages:
            home = self.project.home_of(top).relative_to(self.project.root)
            place = Location("/".join([*home.parts, *inside]), frame.line)
            return replace(frame, owner=Owner.PROJECT, module=module, place=place)
        if top in self.own and not is_known(top):
            return replace(frame, owner=Owner.PROJECT, module=module)
        owner = Owner.SERVER if top in SERVERS or _is_googles_server(module) else Owner.DISTRIBUTION
        name = self.distribution_of(module)
        return replace(frame, owner=owner, module=module, distribution=name, version=self.version_of(name))


def own_folders(files: Iterable[str]) -> frozenset[str]:
    """Return the folders and modules of the files of a log that are neither installed nor Python's own.

    A package of that name among the installed ones is then the project's too.
    """
    owners = Owners()
    own = {part for file in files if owners.frame(file, 0).owner is Owner.PROJECT for part in _names(file)}
    return frozenset(own - {"app", "src", "lib", "home", "opt", "srv", "usr", "tmp", "var", "main"})


def entered(files: Sequence[str]) -> frozenset[str]:
    """Return the installed packages that a server, or Python itself, enters first: of a log without other files.

    What a server imports or calls is what a user wrote, if it is no distribution that is known.
    """
    owners = Owners()
    found = set()
    before: Frame | None = None
    for file in files:
        frame = owners.frame(file, 0)
        top = frame.module.partition(".")[0]
        outside = before and (before.owner in (Owner.SERVER, Owner.PYTHON) or before.file.startswith("<"))
        if outside and frame.owner is Owner.DISTRIBUTION and not is_known(top):
            found.add(top)
        before = frame
    return frozenset(found)


def squeezed(name: str) -> str:
    """Return a name without what distributions add to a module's name: python-x, py-x, x-headless, x-cpu."""
    parts = [p for p in canonicalize_name(name).split("-") if p not in ("python", "headless", "cpu", "gpu")]
    return "".join(parts).removeprefix("py") if len(parts) > 1 else "".join(parts)


def _names(file: str) -> list[str]:
    return [part.removesuffix(".py") for part in file.replace("\\", "/").split("/") if part]


def _installed(path: str) -> list[str]:
    """Return the parts of a path below the last folder of installed distributions; [] if it lies in none."""
    parts = path.split("/")
    at = max((number for number, part in enumerate(parts) if part in SITE), default=-1)
    inside = parts[at + 1 :] if at >= 0 else []
    return inside[1:] if len(inside) > 1 and _EGG.search(inside[0]) else inside


def _standard(path: str) -> str:
    """Return the path of a file inside the standard library; "" if it is not of it."""
    found = _ZIPPED.search(path) or _LIBRARY.search(path)
    if found is None:
        return ""
    inside = found["inside"].removeprefix("lib-dynload/")
    top = inside.split("/")[0].partition(".")[0]
    return inside if top in sys.stdlib_module_names else ""


def _module(parts: list[str]) -> str:
    names = [*parts[:-1], re.sub(r"\.(?:py[xwcd]?|so|pth)$|\.cpython-.*$|\.abi3\.so$", "", parts[-1])]
    names = names[:-1] if names[-1] == "__init__" and len(names) > 1 else names
    return ".".join(names)


def _is_googles_server(module: str) -> bool:
    return module.startswith("google.cloud.aiplatform.prediction.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that this system does not take
        return False
