"""The source tree that ships, read by ast: modules, what they import, define and call, and what of it serves.

Nothing is imported or run. First-party modules that the package leaves out are recorded too, so that a rule
can tell "is not shipped" from "does not exist".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from seatrial.facts.python.by_name import ByName
from seatrial.facts.python.calls import UNKNOWN_NAME, Value
from seatrial.facts.python.module import Import, Module, SyntaxFault
from seatrial.facts.python.paths import PathText, of_text
from seatrial.facts.python.reach import MOST_STEPS, follow, serving_functions
from seatrial.facts.python.syntax import read_module
from seatrial.facts.python.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from seatrial.facts.python.calls import Call, Context, Read
    from seatrial.project import Project

# Reading every script of a large repository would take longer than the rest of the check. The words are looked for
# first, because that is many times faster than the patterns, all of which a script has to have.
# Of scripts with Google's SDK rules ask what uploads a model, or names a machine or a share of the traffic.
_USES_SDK = re.compile(
    rb"\.upload\b(?!\.|\s+import\b)"
    rb"|\b(?:machine_type|accelerator_type|traffic_split|traffic_percentage|serving_container_\w+)\s*=[^=]"
)
OF_INTEREST = {
    b"cv2": (re.compile(rb"^[ \t]*(?:import|from)[ \t]+cv2\b", re.MULTILINE),),
    b"aiplatform": (
        re.compile(rb"^[ \t]*(?:import|from)[ \t]+google\b.*\baiplatform(?:_v1\w*)?\b", re.MULTILINE),
        _USES_SDK,
    ),
    b"googleapiclient": (re.compile(rb"^[ \t]*(?:import|from)[ \t]+googleapiclient\b", re.MULTILINE),),
    b"mlengine": (re.compile(rb"^[ \t]*(?:import|from)[ \t]+airflow\b.*\bmlengine\b", re.MULTILINE),),
    b"Lambda(": (re.compile(rb"^[ \t]*(?:import|from)[ \t]+torchvision\b", re.MULTILINE),),
}


@dataclass(frozen=True)
class Sources:
    """The first-party modules of a project.

    Attributes:
        modules: what ships, by dotted name.
        faults: shipped files that are not valid Python, by dotted name.
        absent: entries of `packages` that have neither a folder nor a NAME.py.
        left_out: modules that exist in the project and that a shipped module imports, but that do not ship:
            dotted name → path.
        reachable: the shipped modules that serving imports, starting at the predictor's.
        surely: those of them that are imported whenever the predictor's module is: outside any function, `if` or try.
        serving: (module, qualified name) of every function in them that the predictor's class may call.
    """

    modules: Mapping[str, Module] = field(default_factory=dict)
    faults: Mapping[str, SyntaxFault] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    reachable: frozenset[str] = frozenset()
    serving: frozenset[tuple[str, str]] = frozenset()
    surely: frozenset[str] = frozenset()

    @cached_property
    def _folders(self) -> frozenset[str]:
        parents = {name.rpartition(".")[0] for name in (*self.modules, *self.faults)}
        return frozenset({name.rsplit(".", n)[0] for name in parents for n in range(name.count(".") + 1)} - {""})

    @cached_property
    def _tops(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.modules)

    @cached_property
    def _followed(self) -> dict[str, str]:
        return {}

    def ships(self, module: str) -> bool:
        """Return whether a dotted name is a module or package that ships; a folder of modules is a package."""
        return module in self.modules or module in self.faults or module in self._folders

    def imports(self) -> Iterator[tuple[Module, Import]]:
        """Yield what the reachable modules import when they serve, in the order of files and lines."""
        for name in sorted(self.reachable):
            if module := self.modules.get(name):
                for imported in module.imports:
                    if imported.runs and (not imported.function or (name, imported.function) in self.serving):
                        yield module, imported

    def calls(self) -> ByName[Call]:
        """Return the calls that serving may make, by file and line; names are followed across modules."""
        return self._calls

    def reads(self) -> ByName[Read]:
        """Return the names of imported modules that serving may read, likewise."""
        return self._reads

    def named(self, test: Callable[[str], object]) -> list[tuple[Module, Call | Read]]:
        """Return the calls, and then the reads, whose name passes a test."""
        return [*self._calls.where(test), *self._reads.where(test)]

    @cached_property
    def _calls(self) -> ByName[Call]:
        modules = self.serving_modules()
        served = ((m, call, self.follow(call.name)) for m in modules for call in m.uses.calls if self._reaches(m, call))
        return ByName([(m, call if name == call.name else call.named(name)) for m, call, name in served])

    @cached_property
    def _reads(self) -> ByName[Read]:
        modules = self.serving_modules()
        served = ((m, read, self.follow(read.name)) for m in modules for read in m.uses.reads if self._reaches(m, read))
        return ByName([(m, read if name == read.name else read.named(name)) for m, read, name in served])

    def serving_modules(self) -> list[Module]:
        """Return the reachable modules that could be read, in the order of their names."""
        return [self.modules[name] for name in sorted(self.reachable & self.modules.keys())]

    def serves(self, module: Module, context: Context) -> bool:
        """Return whether serving may run code in this context."""
        return context.runs and (not context.function or (module.name, context.function) in self.serving)

    def _reaches(self, module: Module, use: Call | Read) -> bool:
        """Return whether serving may run a place; `serves` of its context, without what that costs."""
        return use.runs and (not (function := use.function) or (module.name, function) in self.serving)

    def follow(self, name: str) -> str:
        """Return what a resolved name stands for across the project's modules; itself if it cannot be followed."""
        if name.partition(".")[0] not in self._tops:
            return name
        if name not in self._followed:
            self._followed[name] = self.value(Value(name)).name or name
        return self._followed[name]

    def defines(self, name: str) -> bool:
        """Return whether a resolved name is a function or method that the project itself defines."""
        plain = name.replace("()", "")
        parts = plain.split(".")
        splits = ((".".join(parts[:n]), ".".join(parts[n:])) for n in range(1, len(parts)))
        return any(module in self.modules and rest in self.modules[module].uses.functions for module, rest in splits)

    def value(self, value: Value) -> Value:
        """Return what a value stands for across the project's modules, such as a constant of another module."""
        return follow(value, self.modules)

    def path(self, path: PathText) -> PathText:
        """Return a path with its beginning followed across the project's modules; itself if it cannot be followed."""
        for _ in range(MOST_STEPS):
            module, _, name = path.base.rpartition(".")
            found = self._bound(module, name)
            if found is None:
                return path
            start = found.path or (of_text(found.constant) if isinstance(found.constant, str) else PathText(found.name))
            path = PathText(start.base, (*start.parts, *path.parts))
        return PathText(UNKNOWN_NAME)

    def _bound(self, module: str, name: str) -> Value | None:
        """Return what a name of a module of the project stands for, or its function returns; None if unknown."""
        own = self.modules.get(module)
        if own is None or name.startswith("__"):
            return None
        if not name.endswith("()"):
            found = own.uses.values.get(name)
            is_own = found is not None and found.name == f"{module}.{name}"
            return found if found and not is_own and (found.path or found.is_known) else None
        function = own.uses.functions.get(name.removesuffix("()"))
        only = function.returns[0] if function and len(function.returns) == 1 else None
        return only if only and (only.path or only.is_known) else None


def read_sources(project: Project) -> Sources:
    """Read what ships of a project and follow its imports from the predictor's module."""
    modules: dict[str, Module] = {}
    faults: dict[str, SyntaxFault] = {}
    absent: list[str] = []
    tree = Tree(project.root, project.source_folders)
    for package in project.packages:
        home = project.home_of(package)
        files = list(module_files(home, package))
        if not files:
            absent.append(package)
        for file in files:
            name = ".".join(file.relative_to(home).with_suffix("").parts).removesuffix(".__init__")
            read = read_module(file, name, file.relative_to(project.root).as_posix())
            if isinstance(read, Module):
                modules[name] = read
            else:
                faults[name] = read
    sources = Sources(modules, faults, tuple(absent))
    left_out: dict[str, str] = {}
    imported = (i for module in modules.values() for i in module.imports if i.runs)
    for name in dict.fromkeys(name for i in imported for name in i.candidates()):  # each once: it looks for files
        if not sources.ships(name) and (path_found := tree.locate(name)):
            left_out[name] = path_found
    reachable = _reachable(project, sources)
    serving = serving_functions([m for m in modules.values() if m.name in reachable], project.predictor_class)
    surely = _reachable(project, sources, surely=True)
    return Sources(modules, faults, tuple(absent), left_out, reachable, serving, surely)


def read_scripts(project: Project, sources: Sources) -> tuple[Module, ...]:
    """Read the scripts that do not ship and contain what a rule about scripts looks for; tests are left out."""
    shipped = {module.path for module in sources.modules.values()}
    found = []
    for path in Tree(project.root).scripts():
        if path in shipped or "tests" in path.split("/"):
            continue
        with open(f"{project.root}/{path}", "rb") as script:  # noqa: PTH123 - thousands of paths take time
            content = script.read()
        if _is_of_interest(content):
            read = read_module(file := project.root / path, file.stem, path)
            found.extend([read] if isinstance(read, Module) else [])
    return tuple(found)


def _is_of_interest(content: bytes) -> bool:
    found = (patterns for word, patterns in OF_INTEREST.items() if word in content)
    return any(all(pattern.search(content) for pattern in patterns) for patterns in found)


def module_files(home: Path, package: str) -> Iterator[Path]:
    """Yield the importable .py files of an entry of `packages` that lies in `home`: a folder, or the NAME.py.

    Of a folder and a file of the same name Python imports the folder only if it has an `__init__.py`.
    """
    folder, single = home / package, home / f"{package}.py"
    if folder.is_dir() and ((folder / "__init__.py").is_file() or not single.is_file()):
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(home).with_suffix("").parts
            # Reading a pipe or a device would never end, and a broken link is not a module.
            if all(part.isidentifier() for part in parts) and "__pycache__" not in parts and file.is_file():
                yield file
    elif single.is_file():
        yield single


def _reachable(project: Project, sources: Sources, *, surely: bool = False) -> frozenset[str]:
    seen: set[str] = set()
    pending = [project.predictor_module]
    while pending:
        name = pending.pop()
        parents = [name.rsplit(".", n)[0] for n in range(name.count(".") + 1)]  # a.b.c imports a.b and a too
        for module in parents:
            if module in seen or not (module in sources.modules or module in sources.faults):
                continue
            seen.add(module)
            imports = sources.modules[module].imports if module in sources.modules else ()
            followed = (i for i in imports if i.runs and not (surely and (i.lazy or i.guarded or i.optional)))
            pending.extend(n for i in followed for n in i.candidates())
    return frozenset(seen)
