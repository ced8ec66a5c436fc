"""What of a repository already answers requests: predictor classes by their shape, handlers and applications."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.facts.predictor import APPLICATIONS, SERVERS
from seatrial.facts.repository.reading import read_scripts
from seatrial.facts.repository.script import parameters
from seatrial.serving import interfaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seatrial.facts.repository.script import Script
    from seatrial.facts.repository.scripts import Scripts
    from seatrial.findings import Location

_OF_PROJECTS = (
    "pyproject.toml", "requirements.txt", "requirements.in", "setup.py", "setup.cfg", "Pipfile", "environment.yml",
    "Dockerfile", "cog.yaml",
)  # fmt: skip
# Every file that answers requests names a framework, a server, or what our interfaces give to a class.
_ANSWERS = re.compile(
    rf"\b(?:{'|'.join(sorted({name.partition('.')[0] for name in (*APPLICATIONS, *SERVERS)}))})\b"
    r"|aiplatform|torch|artifacts_uri|from_path|def handle\b"
)


@dataclass(frozen=True, slots=True)
class Served:
    """A class or application that answers requests.

    Attributes:
        kind: the name of one of our interfaces, or of a server or framework: `TorchServe`, `FastAPI`.
        module: the module that it is in; "" if that cannot be imported.
        name: its own.
        location: where it is defined.
    """

    kind: str
    module: str
    name: str
    location: Location

    @property
    def is_predictor(self) -> bool:
        """Whether it can be served as it is."""
        return bool(self.module) and interfaces.find(self.kind) is not None


def answering(root: Path) -> dict[str, Any]:
    """Return `predictor` and `packages` of what answers requests in a folder; {} if nothing does, or it is no project.

    Of several, a class that can be served as it is comes first, then what lies least deep.
    """
    if not any((root / name).is_file() for name in _OF_PROJECTS):
        return {}
    scripts = read_scripts(root, _ANSWERS)
    of_top: dict[str, list[Script]] = {}
    for script in scripts.all:
        of_top.setdefault(script.module.partition(".")[0], []).append(script)
    itself = {name for top, name in SERVERS.items() if top in of_top}  # the repository is that server
    found = [s for s in served(scripts) if s.module and s.name.isidentifier() and s.kind not in itself]
    found.sort(key=lambda s: (not s.is_predictor, s.module.count("."), s.module, s.name))
    for first in found:
        packages = _imported(of_top, first.module)
        if not _is_test(first) and not any(_needs_its_folder(root, s, of_top) for p in packages for s in of_top[p]):
            return {"predictor": f"{first.module}:{first.name}", "packages": packages}
    return {}


def _is_test(each: Served) -> bool:
    return not {"test", "tests"}.isdisjoint(each.location.path.split("/")) or each.module.startswith("test_")


def _imported(of_top: dict[str, list[Script]], module: str) -> list[str]:
    """Return the top-level packages and modules of a repository that one of its modules needs, its own first."""
    found = [module.partition(".")[0]]
    for top in found:
        names = dict.fromkeys(name for script in of_top[top] for name in _tops(script))
        found += [name for name in names if name in of_top and name not in found]
    return found


def _needs_its_folder(root: Path, script: Script, of_top: dict[str, list[Script]]) -> bool:
    """Return whether a script imports one beside it by its short name, so that it is run in its own folder."""
    folder = (root / script.path).parent
    missing = [top for top in _tops(script) if top not in of_top and top not in sys.stdlib_module_names]
    return folder != root and any((folder / f"{top}.py").is_file() or (folder / top).is_dir() for top in missing)


def _tops(script: Script) -> list[str]:
    """Return the first parts of the names of what a script imports, relative imports aside."""
    names: list[str] = []
    for node in script.nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.append(node.module)
    return [name.partition(".")[0] for name in names]


def served(scripts: Scripts) -> tuple[Served, ...]:
    """Return what answers requests, classes that can be served as they are first."""
    found = [each for script in scripts.all for each in (*_classes(script), *_applications(script))]
    return tuple(sorted(found, key=lambda each: not each.is_predictor))


def _classes(script: Script) -> Iterator[Served]:
    for name, node in script.definitions.items():
        if not isinstance(node, ast.ClassDef):
            continue
        bases = [script.name(base) for base in node.bases]
        server = next((SERVERS[top] for base in bases if (top := base.partition(".")[0]) in SERVERS), "")
        kind = server or _interface(node, bases)
        if kind:
            yield Served(kind, script.module, name, script.location(node))


def _interface(node: ast.ClassDef, bases: list[str]) -> str:
    """Return the interface that a class has by its methods and their first parameters; "" if none for certain."""
    methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    if any(base.startswith("google.cloud.aiplatform.") and base.endswith(".Predictor") for base in bases):
        return interfaces.CPR.name
    if set(interfaces.AI_PLATFORM.needed) <= methods.keys():
        return interfaces.AI_PLATFORM.name
    for interface in (interfaces.CPR, interfaces.BATCHED):
        if {*interface.needed, "preprocess"} <= methods.keys():
            first = [*parameters(methods["preprocess"]), "", ""][1]
            if first in interface.preprocesses:
                return interface.name
    return "TorchServe" if {"initialize", "handle"} <= methods.keys() else ""


def _applications(script: Script) -> Iterator[Served]:
    for statement in script.tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            framework = APPLICATIONS.get(f"{script.name(statement.value.func)}()", "")
            if framework:
                yield Served(framework, script.module, ast.unparse(statement.targets[0]), script.location(statement))
