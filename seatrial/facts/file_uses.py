"""The files that serving code names by path, and what the project has at each: whether it is there and ships.

A path counts where the source tells all of it: beside a module, in a package of the project, relative to the working
directory, in the home folder, or absolute. What a variable or a parameter decides is left out.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from functools import cached_property
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.facts import data_files
from seatrial.facts.python.paths import READS, UNKNOWN, UP, PathText, is_absolute, of_text
from seatrial.facts.python.tree import Tree
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.module import Module
    from seatrial.facts.python.sources import Sources
    from seatrial.project import Project


class Origin(StrEnum):
    """What a path begins with."""

    MODULE = "module"  # the file of a module, or the folder of a package
    FOLDER = "working directory"
    HOME = "home folder"
    ABSOLUTE = "root of a file system"


class Way(Enum):
    """What a call does with a path."""

    READS = auto()
    GETS = auto()  # without opening it, as far as can be seen
    NEITHER = auto()  # it writes there, or only handles the path


@dataclass(frozen=True, slots=True)
class FileUse:
    """A path in a call that serving may make.

    Attributes:
        module: where the call is.
        call: the call.
        origin: what the path begins with.
        path: from the project's root if it is beside a module or relative to the working directory; `..` if it leaves
            the project; otherwise as written.
        reads: whether the call opens the path; otherwise it only gets it.
        kind: what the project has there: "file", "folder", or "" for nothing.
        ships: whether that is in the package.
    """

    module: Module
    call: Call
    origin: Origin
    path: str
    reads: bool
    kind: str
    ships: bool


@dataclass(frozen=True, slots=True)
class ArtifactUse:
    """A file that the predictor's loader reads below a folder that only its caller knows: the artifacts.

    Attributes:
        module: where the call is.
        call: the call.
        path: from that folder.
        is_there: whether the artifacts have it.
    """

    module: Module
    call: Call
    path: str
    is_there: bool


_OPENS = {"builtins.open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "tokenize.open"}
# A function with such a name reads the file that it is given.
_READER = re.compile(
    r"(?i)(?:^|_)(?:im)?(?:load|read|open|from_file|from_pretrained)(?:_|\d|s?$)|^(?:InferenceSession|File|truetype|"
    r"CascadeClassifier|ZipFile|fileConfig|FileSystemLoader|StaticFiles|Jinja2Templates)$"
)
_WRITER = re.compile(r"(?i)(?:^|_)(?:save|write|dump|to)(?:_|$)|download|makedirs|mkdir|export")
# What gets a path without opening it, or only as a default.
_NEUTRAL = re.compile(
    r"builtins\.(?!open)|os\.(?:environ|getenv|path|fspath|chdir|makedirs)|pathlib\.|posixpath\.|sys\.|logging\.(?!config)|dotenv\.|"
    r"torch\.(?:nn|functional|special|fft|linalg|cat|stack|empty|zeros|ones|arange|tensor|as_tensor|where)(?:\.\w+)*$|"
    r"warnings\.|argparse\.|click\.|typer\.|dataclasses\.|pydantic|shutil\.|tempfile\.|importlib\.resources\.(?:files|as_)"
)
_RESOURCES = re.compile(
    r"pkgutil\.get_data|importlib[._]resources\.(?:open_|read_|path|contents)|pkg_resources\.resource_"
)
# What a loader has that reads other files than those that it is given.
_FETCHES = re.compile(
    r"(?i)download|mkdtemp|temp(?:orary)?_?dir|urlretrieve|snapshot|blob|exists|is_?file|is_?dir|getenv"
)
PATH_CHANGES = {"sys.path.append", "sys.path.insert", "site.addsitedir"}
_HYDRA = {"hydra.initialize", "hydra.main"}  # config_path is relative to the file that calls them
_FINDERS = ("pkgutil.", "importlib", "pkg_resources.", "hydra.")  # where the functions of both are


def uses_of_files(project: Project, sources: Sources) -> tuple[FileUse, ...]:
    """Return the paths in the calls that serving may make, in the order of files and lines."""
    reader = _Reader(project, sources)
    return tuple(use for module, call in sources.calls() for use in reader.uses(module, call))


def uses_of_artifacts(project: Project, sources: Sources) -> tuple[ArtifactUse, ...]:
    """Return the files that the predictor's loader reads below what it is given, in the order of lines.

    A loader that asks what is there, fetches files, or makes folders of its own reads others.
    """
    loaders = {f"{project.predictor_class}.{interface.loader}" for interface in INTERFACES}
    found = []
    for module, call in sources.calls():
        function = module.uses.functions.get(call.function)
        if call.function not in loaders or function is None or len(function.parameters) < 2:
            continue
        if function.parameters[1] not in function.mentions or any(map(_FETCHES.search, function.mentions)):
            continue
        path = _opened(call, sources)
        plain = path is not None and path.base == UNKNOWN and path.parts and UNKNOWN not in "".join(path.parts)
        if path is not None and plain and not call.context.tried and not call.context.guards:
            inside = _normal([], [part for text in path.parts for part in text.split("/") if part not in ("", ".")])
            if not inside.startswith(UP):
                found.append(ArtifactUse(module, call, inside, project.has_artifact(inside)))
    return tuple(found)


def _opened(call: Call, sources: Sources) -> PathText | None:
    """Return the path that a call opens; None if it opens none."""
    if call.on is not None:
        return call.on if call.method in READS else None
    first = next(iter((*call.arguments, *call.keywords.values())), None) if is_reader(call, sources) else None
    return first.path if first is not None and not _writes(call.argument("mode", 1)) else None


def with_added_folders(project: Project, sources: Sources) -> Sources:
    """Return the sources with the modules that they import from folders which the code adds to Python's path.

    Those in folders of the project that do not ship are left out of the package.
    """
    reader = _Reader(project, sources)
    folders = tuple(
        dict.fromkeys(folder for _, call in sources.calls().of(*PATH_CHANGES) for folder in reader.added(call))
    )
    if not folders:
        return sources
    tree, shipped = Tree(project.root, folders), {module.path for module in sources.modules.values()}
    found = {
        name: path
        for module in sources.modules.values()
        for name in (name for imported in module.imports if imported.runs for name in imported.candidates())
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not sources.ships(name)
        and (path := tree.locate(name)) is not None
        and path not in shipped
    }
    return replace(sources, left_out={**found, **sources.left_out})


class _Reader:
    def __init__(self, project: Project, sources: Sources) -> None:
        self._project = project
        self._sources = sources
        self._own = {name.partition(".")[0] for name in (*sources.modules, *sources.faults)}
        self._ways: dict[str, Way] = {}
        self._places: dict[PathText, tuple[Origin, str, str, bool] | None] = {}

    @cached_property
    def _shipped(self) -> frozenset[str]:
        """The files of the package, and the folders that hold any of them."""
        found = {module.path for module in self._sources.modules.values()}
        found |= {fault.location.path for fault in self._sources.faults.values()}
        for pattern in self._project.package_data:
            try:
                matched = data_files.matched(self._project, pattern)
            except UsageError:  # the build refuses it
                continue
            found |= set(map(self._relative, matched))
        return frozenset({folder for path in found for folder in _upwards(path)})

    def uses(self, module: Module, call: Call) -> list[FileUse]:
        if call.name.startswith(_FINDERS) and (resource := self._resource(module, call)) is not None:
            return self._use(module, call, resource, reads=call.name != "hydra.main")
        if (on := call.on) is not None:
            if call.method == "open" and _writes(call.argument("mode", 0)):
                return []
            return self._use(module, call, on, reads=True)
        way = self._way(call)
        if way is Way.NEITHER or (call.name in _OPENS and _writes(call.argument("mode", 1))):
            return []
        reads, found = way is Way.READS, list[FileUse]()
        for number, value in enumerate(call.values(literals=reads)):
            path = value.path or (self._text(value, call) if reads and not number else None)
            if path is None and value.name.partition(".")[0] in self._own:
                path = PathText(value.name)
            if path is not None:
                found += self._use(module, call, path, reads=reads)
        return found

    def _way(self, call: Call) -> Way:
        """Return what a call does with a path, by the name of what it calls."""
        known = self._ways.get(call.name)
        if known is None:
            name = call.name
            neither = _NEUTRAL.match(name) or name in _HYDRA or _WRITER.search(call.method)
            known = Way.NEITHER if neither else Way.READS if is_reader(call, self._sources) else Way.GETS
            self._ways[name] = known
        return known

    def added(self, call: Call) -> Iterator[str]:
        """Yield the folder of the project that a call adds to Python's path."""
        if call.name in PATH_CHANGES and call.arguments:
            path = call.arguments[-1].path or self._text(call.arguments[-1], call)
            placed = self._placed(found) if path and (found := self._sources.path(path)).is_known else None
            if placed and placed[0] in (Origin.MODULE, Origin.FOLDER) and not placed[1].startswith(UP):
                yield placed[1]

    def _text(self, value: Value, call: Call) -> PathText | None:
        """Return a text, or a name that stands for a path, that a reading function gets."""
        if isinstance(value.constant, str):
            is_file = call.name in _OPENS or re.search(r"\.\w{1,11}$", value.constant)
            is_there = is_file or (self._project.root / value.constant).is_dir()
            return of_text(value.constant) if value.constant and is_there and "://" not in value.constant else None
        return PathText(value.name) if value.name and value.is_known else None

    def _resource(self, module: Module, call: Call) -> PathText | None:
        """Return the path of what a function finds in a package, or beside the file that calls it."""
        if call.name in _HYDRA:
            path = call.argument("config_path", 0)
            text = path.constant if path else None
            return PathText(f"{module.name}.__file__", (UP, text)) if isinstance(text, str) else None
        if call.name == "hydra.initialize_config_module":
            package = call.argument("config_module", 0)
            text = package.constant if package else None
            return PathText(f"{text}.__path__") if isinstance(text, str) else None
        if not _RESOURCES.match(call.name) or len(call.arguments) < 2:
            return None
        package, name = call.arguments[:2]
        if not isinstance(name.constant, str):
            return None
        if isinstance(package.constant, str):
            return PathText(f"{package.constant}.__path__", (name.constant,))
        if package.name == "builtins.__package__":
            return PathText(f"{module.name}.__file__", (UP, name.constant))
        of = module.name if package.name == "builtins.__name__" else package.name
        return PathText(f"{of}.__path__", (name.constant,)) if of and not of.startswith("?") else None

    def _use(self, module: Module, call: Call, path: PathText, *, reads: bool) -> list[FileUse]:
        if path not in self._places:
            self._places[path] = self._there(path)
        there = self._places[path]
        return [] if there is None else [FileUse(module, call, there[0], there[1], reads, there[2], there[3])]

    def _there(self, path: PathText) -> tuple[Origin, str, str, bool] | None:
        """Return origin and place of a path, what the project has there, and whether that ships."""
        found = self._sources.path(path)
        placed = self._placed(found) if found.is_known else None
        if placed is None:
            return None
        origin, where = placed
        kind = "" if origin in (Origin.HOME, Origin.ABSOLUTE) else _kind(self._project.root / where)
        return origin, where, kind, self._ships(where, kind)

    def _ships(self, path: str, kind: str) -> bool:
        """Return whether a file ships; of a folder, any of what it holds beside modules."""
        data = [each for each in (self._project.root / path).rglob("*") if _is_data(each)] if kind == "folder" else []
        return any(self._relative(file) in self._shipped for file in data) if data else path in self._shipped

    def _relative(self, file: Path) -> str:
        return file.relative_to(self._project.root).as_posix()

    def _placed(self, path: PathText) -> tuple[Origin, str] | None:
        """Return what a path begins with, and where that leads."""
        parts = [part for text in path.parts for part in text.split("/") if part not in ("", ".")]
        if path.base in ("", "pathlib.Path.cwd()", "os.getcwd()", "os.curdir"):
            first = path.parts[0] if path.parts else ""
            if not path.base and is_absolute(first):
                return (Origin.HOME, "/".join(path.parts)) if first[0] == "~" else (Origin.ABSOLUTE, _as_written(path))
            return Origin.FOLDER, _normal([], parts)
        if path.base in ("pathlib.Path.home()", "os.environ[HOME]"):
            return Origin.HOME, "/".join(["~", *parts])
        name, _, kind = path.base.rpartition(".")
        start = self._start(name, kind)
        return (Origin.MODULE, _normal(start.split("/") if start else [], parts)) if start is not None else None

    def _start(self, name: str, kind: str) -> str | None:
        """Return the path of a module's file or of a package's folder, from the root."""
        module = self._sources.modules.get(name)
        if kind == "__file__":
            return module.path if module else None
        if kind != "__path__":
            return None
        if module is not None:
            return module.path.rpartition("/")[0]  # a plain module stands for the folder that it is in
        if not self._sources.ships(name):
            return None
        top = name.partition(".")[0]
        home = self._project.home_of(top).relative_to(self._project.root)
        return (home / name.replace(".", "/")).as_posix()


def is_reader(call: Call, sources: Sources) -> bool:
    """Return whether a call opens the file that its first argument names, by the name of what it calls."""
    if call.name in _OPENS:
        return True
    return bool(_READER.search(call.method)) and not _NEUTRAL.match(call.name) and not sources.defines(call.name)


def _writes(mode: Value | None) -> bool:
    """Return whether a mode writes, or may write."""
    if mode is None:
        return False
    return not isinstance(mode.constant, str) or bool(set("wax+") & set(mode.constant))


def _normal(start: list[str], parts: list[str]) -> str:
    """Return a path without `..`, except where it leaves the root."""
    found = list(start)
    for part in parts:
        if part == UP and found and found[-1] != UP:
            found.pop()
        else:
            found.append(part)
    return "/".join(found) or "."


def _as_written(path: PathText) -> str:
    return "/".join(part.rstrip("/\\") or part for part in path.parts).replace("//", "/")


def _kind(path: Path) -> str:
    return "file" if path.is_file() else "folder" if path.is_dir() else ""


def _is_data(path: Path) -> bool:
    return path.suffix not in (".py", ".pyc", ".pyi") and path.is_file()


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "."
