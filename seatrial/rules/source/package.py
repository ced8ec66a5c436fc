"""Family 2, the package: does what serving imports of the project ship, and is the predictor in it?

Only modules that the predictor's module reaches are judged, and only imports that serving can execute.
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from seatrial.findings import Location, Severity
from seatrial.rules.artifacts import checkpoints
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.imports import (
    NO_MODULE,
    by_short_name,
    changes_path,
    is_first_party,
    is_own,
    is_provided,
    why_not_executed,
)
from seatrial.rules.rule import Rule, Symptom, Telling
from seatrial.rules.transforms import removed_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.module import Import, Module
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding
    from seatrial.rules.rule import Groups

NOT_IN_PACKAGE = Rule(
    code="ST201",
    title="a module that the package does not contain",
    explanation=(
        "The predictor imports a module of the project that does not ship. It works from the project's "
        "folder, because the current folder is on Python's path there; the server only has what `packages` "
        "names."
    ),
    fix="move the module into the predictor's package and import it from there, or name it in `packages`",
    telling=Telling.WIDE,
    yields_module_to=(checkpoints.UNKNOWN_MODULE,),
    cloud=SERVER_EXITED,
    sources=(
        "https://packaging.python.org/en/latest/discussions/package-discovery-and-resource-inclusion/",
        EXITED_SOURCE,
    ),
    detected=(
        "By the names of imports in code that serving reaches, against what ships; `import blocks` beside blocks.py in "
        "a package lacks the package's name. It only warns if the import is inside an `if` or a function that serving "
        "may never call, or if that is true of its module. If the code changes sys.path, a name that lacks its "
        "package is taken to be intended."
    ),
    symptoms=(
        Symptom(NO_MODULE.pattern, "`{module}` is imported, but the package does not contain it"),
        Symptom(
            r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'",
            "`{module}` has no `{name}`",
        ),
    ),
    bad="from train_utils import crop  # train_utils.py is beside the package",
    good="from predictor.crops import crop",
)


@NOT_IN_PACKAGE.confirmed_by
def _is_own(groups: Groups, facts: Facts | None) -> bool:
    return facts is not None and is_own(groups["module"], facts)


@NOT_IN_PACKAGE.refined_by
def _exists_in_project(finding: Finding, groups: Groups, facts: Facts | None) -> Finding:
    path = facts.tree.locate(groups["module"]) if facts else None
    return replace(finding, cause=f"{path} does not ship: `packages` does not name it") if path else finding


@NOT_IN_PACKAGE.decided_by
def _not_in_package(facts: Facts) -> Iterator[Finding]:
    sources = facts.sources
    for package in sources.absent:
        if package != facts.project.predictor_module.split(".")[0]:  # that one is ST202
            yield NOT_IN_PACKAGE.finding(
                f"`packages` names `{package}`, but there is neither a folder {package}/ nor a {package}.py",
                location=Location("pyproject.toml"),
            )
    for module, imported in sources.imports():
        if imported.optional:
            continue
        finding = _left_out(sources, module, imported) or _unqualified(facts, module, imported)
        if finding is None:
            continue
        doubt = why_not_executed(module, imported, facts)
        yield replace(finding, severity=Severity.WARNING, cause=f"{finding.cause}; {doubt}") if doubt else finding


def _left_out(sources: Sources, module: Module, imported: Import) -> Finding | None:
    """Judge one import of a first-party module."""
    target = imported.module
    if sources.ships(target):
        name = next((n for n in imported.names if not _has(sources, target, n)), None)
        if name is None:
            return None
        target = f"{target}.{name}"
    elif not is_first_party(sources, target):
        return None
    fix = NOT_IN_PACKAGE.fix
    if path := sources.left_out.get(target):
        cause = f"{path} does not ship: `packages` does not name it"
        message = f"`{target}` is imported, but the package does not contain it"
        shipped = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if sources.ships(shipped):
            folder = shipped.removesuffix(f".{target}")
            cause = f"{path} ships as `{shipped}`, because `packages` names `{folder}`"
            fix = f"write `predictor` and `packages` in [tool.seatrial] without `{folder}`, which is only a folder"
    else:
        cause = f"neither a module nor a name `{target.rpartition('.')[2]}` is there"
        message = f"`{target}` is imported, but it does not exist in the package"
    return NOT_IN_PACKAGE.finding(message, location=imported.location, subject=module.name, cause=cause, fix=fix)


def _unqualified(facts: Facts, module: Module, imported: Import) -> Finding | None:
    """Judge `import blocks` where only `package.blocks` ships."""
    target = imported.module
    if is_provided(target, facts) or not (meant := by_short_name(facts.sources, module, target)):
        return None
    if changes_path(facts.sources):
        return None  # which is how this works
    package, _, name = meant.rpartition(".")
    return NOT_IN_PACKAGE.finding(
        f"`{target}` is imported, but only `{meant}` is in the package",
        location=imported.location,
        subject=module.name,
        cause="the folder of a script is on Python's path, the folder of a module in a package is not",
        fix=f"write `from {package} import {name}`, or `from {meant} import …`",
    )


def _has(sources: Sources, package: str, name: str) -> bool:
    """Return whether `from package import name` can work; True if that cannot be decided."""
    module = sources.modules.get(package)
    if name == "*" or package in sources.faults or (name.startswith("__") and name.endswith("__")):
        return True
    if sources.ships(f"{package}.{name}"):
        return True
    return module is not None and (module.open or name in module.names)


NO_PREDICTOR = Rule(
    code="ST202",
    title="the predictor class does not exist",
    explanation=(
        "`predictor` in [tool.seatrial] names a module and a class in it, and the server imports exactly "
        "that. A class that is moved or renamed takes the setting with it."
    ),
    fix='set `predictor = "module:Class"` in [tool.seatrial] to the class that serves',
    telling=Telling.WIDE,
    yields_to=(removed_names.V2_NAMES, removed_names.PILLOW_NAMES, removed_names.IO_NAMES, removed_names.OLD_NAMES),
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/library/importlib.html#importlib.import_module", EXITED_SOURCE),
    symptoms=(
        Symptom(
            r"AttributeError: module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'",
            "module `{module}` has no class `{name}`",
        ),
    ),
    detected=(
        "`predictor` in [tool.seatrial] against the modules that ship and the names that the module binds; a "
        "module that may bind more than can be read (a star import, `__getattr__`) is believed."
    ),
    bad='predictor = "predictor:DigitsPredictor"  # the class is DigitPredictor',
    good='predictor = "predictor:DigitPredictor"',
)


@NO_PREDICTOR.confirmed_by
def _is_predictor_module(groups: Groups, facts: Facts | None) -> bool:
    return facts is not None and groups["module"] == facts.project.predictor_module


@NO_PREDICTOR.decided_by
def _no_predictor(facts: Facts) -> Iterator[Finding]:
    project, sources = facts.project, facts.sources
    if project.predictor_module in sources.faults:
        return  # ST203
    setting = Location("pyproject.toml")
    module = sources.modules.get(project.predictor_module)
    if module is None:
        meant = _where_it_is(facts)
        yield NO_PREDICTOR.finding(
            f"there is no module `{project.predictor_module}` in the package"
            + (f"; did you mean `{meant}`?" if meant else ""),
            location=setting,
            cause=f'`predictor` is "{project.predictor}"',
        )
    elif not module.open and project.predictor_class not in module.names:
        near = difflib.get_close_matches(project.predictor_class, module.definitions, n=1)
        meant = f"; did you mean `{near[0]}`?" if near else ""
        yield NO_PREDICTOR.finding(
            f"module `{module.name}` has no class `{project.predictor_class}`{meant}",
            location=module.definitions[near[0]] if near else Location(module.path),
            cause=f'`predictor` in [tool.seatrial] is "{project.predictor}"',
        )


def _where_it_is(facts: Facts) -> str:
    """Return the value of `predictor` that names the class where the project defines it; "" if it does nowhere."""
    name = facts.project.predictor_class
    found = facts.tree.definitions({name}).get(name)
    if found is None:
        return ""
    path = PurePosixPath(found.path)
    for folder in facts.project.source_folders:
        if path.is_relative_to(folder):
            path = path.relative_to(folder)
    parts = path.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return f"{module}:{name}" if module else ""


NO_PYTHON = Rule(
    code="ST203",
    title="a syntax error in a module that ships",
    explanation="A module that the predictor imports is not valid Python, so the server ends on import.",
    fix="correct the line",
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/tutorial/errors.html#syntax-errors", EXITED_SOURCE),
    symptoms=(
        Symptom(
            r"(?m)^(?:SyntaxError|IndentationError|TabError): (?P<why>[^\n]+)",
            "a module is not valid Python: {why}",
        ),
    ),
    detected=(
        "Every module that serving reaches is parsed with the tool's own Python; where the project serves "
        "with a newer one, it is a warning, because that may allow more."
    ),
    bad="def predict(self, batch)\n    return batch",
    good="def predict(self, batch):\n    return batch",
)


@NO_PYTHON.decided_by
def _no_python(facts: Facts) -> Iterator[Finding]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    newer = tuple(map(int, facts.project.python.split("."))) > sys.version_info[:2]
    for name in sorted(facts.sources.reachable & facts.sources.faults.keys()):
        fault = facts.sources.faults[name]
        yield NO_PYTHON.finding(
            f"{fault.location.path} is not valid Python: {fault.message}",
            # The tool's own grammar cannot refuse what a newer Python may allow.
            severity=Severity.WARNING if newer else Severity.ERROR,
            location=fault.location,
            cause=f"read with the grammar of Python {own}",
        )
