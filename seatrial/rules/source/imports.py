"""Families 1 and 2, imports: what serving imports must be in the lock, the standard library or the package.

Only modules that the predictor's module reaches are judged, and only imports that serving can execute.
"""

from __future__ import annotations

import difflib
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import distributions_of, is_known, is_namespace
from seatrial.findings import Edit, Location, Severity
from seatrial.rules.deployment.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.lock.pairs import partner_of_torch
from seatrial.rules.rule import Rule, Symptom
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.sources import Sources
    from seatrial.facts.python.syntax import Import, Module
    from seatrial.findings import Finding

NO_MODULE = re.compile(r"No module named '(?P<module>[^']+)'")

MISSING_DISTRIBUTION = Rule(
    code="ST110",
    title="an import that no requirement provides",
    explanation=(
        "The predictor imports a module that no distribution in the lock provides. On the machine where it "
        "was trained the module happens to be installed; the server has the lock and nothing else. torch "
        "brings neither torchvision nor Pillow nor numpy, and what the serving runtime itself installs is "
        "not the predictor's."
    ),
    fix="add the distribution to requirements.in, then run `seatrial lock`",
    cloud=SERVER_EXITED,
    sources=("https://github.com/GoogleCloudPlatform/mlops-on-gcp/issues/24", EXITED_SOURCE),
    detected=(
        "By the names of imports in what serving reaches, against the lock, requirements.in, the standard library and "
        "the package. It only warns where an `if` stands around the import or a function that serving may never call, "
        "where that is so of its module, where the code changes sys.path, and where the lock is not complete, so that "
        "what it names may bring the module along."
    ),
    symptoms=(
        Symptom(
            re.compile(r"No module named '(?P<module>[^'.]+\.[^']+)'"),
            "the installed version of its distribution has no module `{module}`",
        ),
        Symptom(NO_MODULE, "`{module}` is imported, but no requirement provides it"),
    ),
    bad="import torchvision  # and requirements.in has torch alone",
    good="import torchvision  # and requirements.in has torch and torchvision",
)
NOT_IN_PACKAGE = Rule(
    code="ST201",
    title="a module that the package does not contain",
    explanation=(
        "The predictor imports a module of the project that does not ship. It works from the project's "
        "folder, because the current folder is on Python's path there; the server only has what `packages` "
        "names."
    ),
    fix="move the module into the predictor's package and import it from there, or name it in `packages`",
    cloud=SERVER_EXITED,
    sources=(
        "https://packaging.python.org/en/latest/discussions/package-discovery-and-resource-inclusion/",
        EXITED_SOURCE,
    ),
    detected=(
        "By the names of imports in what serving reaches, against what ships; `import blocks` beside blocks.py in a "
        "package lacks the package's name. It only warns where an `if` stands around the import or a function that "
        "serving may never call, and where that is so of its module; where the code changes sys.path, a name that "
        "lacks its package is taken for meant."
    ),
    symptoms=(
        Symptom(NO_MODULE, "`{module}` is imported, but the package does not contain it"),
        Symptom(
            re.compile(r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'"),
            "`{module}` has no `{name}`",
        ),
    ),
    bad="from train_utils import crop  # train_utils.py lies beside the package",
    good="from predictor.crops import crop",
)
NO_PREDICTOR = Rule(
    code="ST202",
    title="the predictor class does not exist",
    explanation=(
        "`predictor` in [tool.seatrial] names a module and a class in it, and the server imports exactly "
        "that. A class that is moved or renamed takes the setting with it."
    ),
    fix='set `predictor = "module:Class"` in [tool.seatrial] to the class that serves',
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/library/importlib.html#importlib.import_module", EXITED_SOURCE),
    symptoms=(
        Symptom(
            re.compile(r"AttributeError: module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'"),
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
NO_PYTHON = Rule(
    code="ST203",
    title="a syntax error in a module that ships",
    explanation="A module that the predictor imports is no valid Python, so the server ends on import.",
    fix="correct the line",
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/tutorial/errors.html#syntax-errors", EXITED_SOURCE),
    symptoms=(
        Symptom(
            re.compile(r"(?m)^(?:SyntaxError|IndentationError|TabError): (?P<why>[^\n]+)"),
            "a module is no valid Python: {why}",
        ),
    ),
    detected=(
        "Every module that serving reaches is parsed with the tool's own Python; where the project serves "
        "with a newer one, it is a warning, because that may allow more."
    ),
    bad="def predict(self, batch)\n    return batch",
    good="def predict(self, batch):\n    return batch",
)


def is_first_party(sources: Sources, module: str) -> bool:
    """Tell whether a module is, or ought to be, one of the project's own."""
    top = module.split(".")[0]
    return sources.ships(top) or top in sources.absent or module in sources.left_out or top in sources.left_out


def how_to_provide(module: str, facts: Facts) -> str:
    """Say which line makes a module available."""
    return f"add the line `{_line_for(module, facts)}` to requirements.in, then run `seatrial lock`"


def _line_for(module: str, facts: Facts) -> str:
    """Give the line of requirements.in that brings a module."""
    distribution = distributions_of(module)[0]
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    torch = pins.get("torch")
    if distribution == "torchvision" and torch and torch.version:
        return partner_of_torch(torch.version) or distribution
    return distribution


def is_provided(module: str, facts: Facts) -> bool:
    """Tell whether the standard library, the package or a requirement provides a module."""
    top = module.split(".")[0]
    if top in sys.stdlib_module_names or is_first_party(facts.sources, module) or is_namespace(module):
        return True
    asked = _asked_for(facts)
    plain = _squeezed(top)
    return any(name in asked for name in distributions_of(module)) or any(_squeezed(n) == plain for n in asked)


def _asked_for(facts: Facts) -> set[str]:
    files = (facts.requirements, facts.lock, facts.cpu_lock)
    return {entry.name for file in files if file for entry in file.entries if entry.requirement}


def _squeezed(name: str) -> str:
    """Give a name without what distributions add to a module's: python-x, py-x, x-headless, x-cpu."""
    parts = [p for p in canonicalize_name(name).split("-") if p not in ("python", "headless", "cpu", "gpu")]
    return "".join(parts).removeprefix("py") if len(parts) > 1 else "".join(parts)


# What a server calls of a predictor for certain.
_SERVED = {"__init__", "__call__", "setup", "postprocess", *(name for each in INTERFACES for name in each.needed)}


def _doubt(module: Module, imported: Import, facts: Facts) -> str:
    """Say why serving may never execute an import; empty where it will."""
    if module.name not in facts.sources.surely:
        return f"`{module.name}` itself is imported only by a function, an `if` or a try"
    if imported.guarded:
        return "an `if` stands around it, so that serving may never come there"
    owner, _, method = imported.function.rpartition(".")
    if imported.function and not (owner == facts.project.predictor_class and method in _SERVED):
        return f"it is executed only when `{imported.function}` is called"
    return ""


def _incomplete(facts: Facts) -> str:
    """Say why the requirements may bring more than they name; empty where they are all that will be installed."""
    files = [file for file in (facts.requirements, facts.lock) if file]
    if any(entry.requirement is None for file in files for entry in file.entries):
        return "a URL or path among the requirements may provide it"
    pins = {e.name for e in facts.lock.entries if e.version and e.hashes} if facts.lock else set()
    if any(entry.name not in pins for file in files for entry in file.entries):
        return "the lock is not complete, so what the requirements bring along is not known"
    return ""


def _missing_distribution(facts: Facts) -> Iterator[Finding]:
    missing: dict[str, list[tuple[str, str, Location]]] = {}  # (why it may not be executed, module, place)
    for module, imported in facts.sources.imports():
        if imported.optional:
            continue
        targets = imported.candidates()[1:] if is_namespace(imported.module) else (imported.module,)
        for target in targets:
            if not is_provided(target, facts) and not _by_short_name(facts.sources, module, target):
                distribution = distributions_of(target)[0]
                place = (_doubt(module, imported, facts), target, imported.location)
                missing.setdefault(distribution, []).append(place)
    open_end = _incomplete(facts)
    for distribution, places in missing.items():
        places.sort(key=lambda place: bool(place[0]))
        doubt, module_name, first = places[0]
        nothing = f"nothing in requirements.in or requirements.txt brings {distribution}"
        known = is_known(module_name)
        if not known and not doubt and (changed := _changes_path(facts.sources)):
            doubt = f"{changed} changes Python's path, and what lies there is not known"
        sure = known and not doubt and not open_end
        yield MISSING_DISTRIBUTION.finding(
            f"`{_shown(module_name)}` is imported, but no requirement provides it",
            severity=Severity.WARNING if doubt or open_end else Severity.ERROR,
            location=first,
            subject=distribution,
            cause="; ".join(filter(None, (nothing, open_end, doubt))),
            fix=how_to_provide(module_name, facts),
            evidence=tuple(f"imported at {place} too" for _, _, place in places[1:]),
            # Whose distribution has the name of an unknown module, nobody can tell: that line a person must write.
            edits=(Edit("requirements.in", _line_for(module_name, facts)),) if sure else (),
        )


_PATH_CHANGES = {"sys.path.append", "sys.path.insert", "sys.path.extend", "site.addsitedir"}


def _changes_path(sources: Sources) -> str:
    """Give the first place in what serves that adds a folder to Python's path; empty where there is none."""
    called = next((str(call.location) for _, call in sources.calls() if call.name in _PATH_CHANGES), "")
    return called or next((m.path for m in sources.serving_modules() if "sys.path" in m.uses.patched), "")


def _by_short_name(sources: Sources, module: Module, target: str) -> str:
    """Give the module that ships beside the importing one, or above it, where the name lacks only the package."""
    top = target.partition(".")[0]
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    while package and not is_known(target):
        if sources.ships(f"{package}.{top}"):
            return f"{package}.{top}"
        package = package.rpartition(".")[0]
    return ""


def _shown(module: str) -> str:
    """Give the part of a module's name that one distribution provides."""
    parts = module.split(".")
    length = 1
    while length < len(parts) and is_namespace(".".join(parts[:length])):
        length += 1
    return ".".join(parts[:length])


def _not_in_package(facts: Facts) -> Iterator[Finding]:
    sources = facts.sources
    for package in sources.absent:
        if package != facts.project.predictor_module.split(".")[0]:  # that one is ST202
            found = sources.under_src.get(package)
            yield NOT_IN_PACKAGE.finding(
                f"`packages` names `{package}`, but there is neither a folder {package}/ nor a {package}.py",
                location=Location("pyproject.toml"),
                fix=_out_of_src(found) if found else NOT_IN_PACKAGE.fix,
            )
    for module, imported in sources.imports():
        if imported.optional:
            continue
        finding = _left_out(sources, module, imported) or _unqualified(facts, module, imported)
        if finding is None:
            continue
        doubt = _doubt(module, imported, facts)
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
    if path := sources.left_out.get(target):
        cause = f"{path} exists in the project, but `packages` does not name it"
        message = f"`{target}` is imported, but the package does not contain it"
    else:
        cause = f"neither a module nor a name `{target.rpartition('.')[2]}` is there"
        message = f"`{target}` is imported, but it does not exist in the package"
    return NOT_IN_PACKAGE.finding(message, location=imported.location, subject=module.name, cause=cause)


def _unqualified(facts: Facts, module: Module, imported: Import) -> Finding | None:
    """Judge `import blocks` where only `package.blocks` ships."""
    target = imported.module
    if is_provided(target, facts) or not (meant := _by_short_name(facts.sources, module, target)):
        return None
    if _changes_path(facts.sources):
        return None  # which is how this works
    package, _, name = meant.rpartition(".")
    return NOT_IN_PACKAGE.finding(
        f"`{target}` is imported, and only `{meant}` is in the package",
        location=imported.location,
        subject=module.name,
        cause="the folder of a script is on Python's path, the folder of a module in a package is not",
        fix=f"write `from {package} import {name}`, or `from {meant} import …`",
    )


def _has(sources: Sources, package: str, name: str) -> bool:
    """Tell whether `from package import name` can work; True where it cannot be decided."""
    module = sources.modules.get(package)
    if name == "*" or package in sources.faults or (name.startswith("__") and name.endswith("__")):
        return True
    if sources.ships(f"{package}.{name}"):
        return True
    return module is not None and (module.open or name in module.names)


def _no_predictor(facts: Facts) -> Iterator[Finding]:
    project, sources = facts.project, facts.sources
    if project.predictor_module in sources.faults:
        return  # ST203
    setting = Location("pyproject.toml")
    module = sources.modules.get(project.predictor_module)
    if module is None:
        found = sources.under_src.get(project.predictor_module.split(".")[0])
        yield NO_PREDICTOR.finding(
            f"there is no module `{project.predictor_module}` in the package",
            location=setting,
            cause=f'`predictor` is "{project.predictor}"' + (f", and there is {found}" if found else ""),
            fix=_out_of_src(found) if found else NO_PREDICTOR.fix,
        )
    elif not module.open and project.predictor_class not in module.names:
        near = difflib.get_close_matches(project.predictor_class, module.definitions, n=1)
        meant = f"; did you mean `{near[0]}`?" if near else ""
        yield NO_PREDICTOR.finding(
            f"module `{module.name}` has no class `{project.predictor_class}`{meant}",
            location=module.definitions[near[0]] if near else Location(module.path),
            cause=f'`predictor` in [tool.seatrial] is "{project.predictor}"',
        )


def _out_of_src(found: str) -> str:
    """Say what to do with the src layout: under the name `src.x` a package cannot import itself as `x`."""
    return f"move {found} out of src/ to the project's root, beside pyproject.toml"


def _no_python(facts: Facts) -> Iterator[Finding]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    newer = tuple(map(int, facts.project.python.split("."))) > sys.version_info[:2]
    for name in sorted(facts.sources.reachable & facts.sources.faults.keys()):
        fault = facts.sources.faults[name]
        yield NO_PYTHON.finding(
            f"{fault.location.path} is no valid Python: {fault.message}",
            # The tool's own grammar cannot refuse what a newer Python may allow.
            severity=Severity.WARNING if newer else Severity.ERROR,
            location=fault.location,
            cause=f"read with the grammar of Python {own}",
        )


RULES = (
    MISSING_DISTRIBUTION.decided_by(_missing_distribution),
    NOT_IN_PACKAGE.decided_by(_not_in_package),
    NO_PREDICTOR.decided_by(_no_predictor),
    NO_PYTHON.decided_by(_no_python),
)
