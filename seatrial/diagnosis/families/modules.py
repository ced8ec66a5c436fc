"""Missing modules: which distribution or file should have had the module, and who asked for it.

A module is proposed as a requirement only if it is not locked, not a file of the project, and no name that any project
could have; another's distribution of such a name would be installed.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.releases import also, pin_with
from seatrial.diagnosis.families.whose import (
    asker,
    asking_part,
    fit_together,
    is_own,
    is_projects,
    is_sure,
    is_unpickling,
    provider,
    top,
)
from seatrial.facts.tables import distributions_of, elsewhere, is_namespace
from seatrial.rules.imports import how_to_provide
from seatrial.rules.lock.fitting import BROKEN_INSTALL, OPTIONAL, SHADOWED, WITHOUT_PART
from seatrial.rules.lock.names import MISFIT, MISSING_NAME
from seatrial.rules.lock.unlocked_imports import MISSING_DISTRIBUTION
from seatrial.rules.source.package import NOT_IN_PACKAGE
from seatrial.rules.source.package_names import removed_from_python
from seatrial.rules.transforms.removed_names import PRIVATE_MODULE, V2_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.families.whose import Part
    from seatrial.diagnosis.raised import Frame, Raised
    from seatrial.findings import Finding
    from seatrial.rules.rule import Rule

MISSING = re.compile(r"No module named '?(?P<module>[\w.-]+)'?(?P<plain>; '(?P<parent>[\w.]+)' is not a package)?")
# Names that very many projects give to a folder or a file of their own; what an index has under them is somebody's.
GENERIC = frozenset(
    (
        "api", "app", "backbones", "base", "blocks", "callbacks", "cfg", "cli", "common", "conf", "config",
        "configs", "constants", "core", "data", "dataloader", "dataset", "engine", "evaluation", "helper",
        "helpers", "inference", "infer", "io", "label_map", "labels", "layers", "lib", "libs", "logger",
        "losses", "main", "metrics", "misc", "model", "modeling", "models", "module", "modules", "net", "nets",
        "network", "networks", "options", "predict", "predictor", "preprocess", "preprocessing", "scripts",
        "serve", "serving", "server", "settings", "shared", "src", "test", "tests", "tool", "tools", "train",
        "trainer", "training", "transform", "transforms", "util", "utilities", "utils",
    )
)  # fmt: skip
# Modules that Debian and slim images pack apart, or that CPython builds only with a library's headers.
_BUILT = frozenset(
    (
        "_bz2", "_ctypes", "_curses", "_dbm", "_gdbm", "_hashlib", "_lzma", "_sqlite3", "_ssl", "_tkinter",
        "_uuid", "readline",
    )
)  # fmt: skip
# What a distribution removed although every environment had it: module → its distribution, and the first without it.
_REMOVED = {"pkg_resources": ("setuptools", "82")}  # setuptools' history, v82.0.0
_FROM_ELSEWHERE = (
    "build a wheel of it from its own repository at a fixed commit, name the wheel in requirements.in and run "
    "`seatrial lock`; do not install what the index has under that name"
)
_LOCATED = re.compile(r"Error (?:locating|loading) target '(?P<target>[\w.]+)'")
# Files of a build of a distribution, which has an environment of its own.
_BUILD = re.compile(r"pyproject_hooks|pip-build-env|build-env-|setuptools/build_meta\.py|/setup\.py$")
_EXTENSION = re.compile(r"^_[A-Za-z]\w*$|_(?:cuda|cpu|ext|C)$")


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an import that found no module; imports that a pickle asks for are another family's."""
    if located := _LOCATED.search(raised.message):  # as Hydra's instantiate and other factories say it
        module = located["target"].rpartition(".")[0]
        if module and raised.cause is None:
            yield Diagnosis(*_judged(module, "", raised, case), raised.position)
        return
    if raised.name not in ("ModuleNotFoundError", "ImportError") or is_unpickling(raised):
        return
    found = MISSING.match(raised.message)
    if found is None or any(_BUILD.search(frame.file) for frame in raised.frames):
        return
    finding, why = _judged(found["module"], found["parent"] or "", raised, case)
    yield Diagnosis(finding, why, raised.position)


def _judged(module: str, parent: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    part = asking_part(raised, top(module), case)
    if parent and ("." not in parent or not is_sure(parent, case)):
        return _not_a_package(module, parent, case), f"Python found `{parent}`, and it is one file"
    if standard := _standard(module, part):
        return standard, f"`{module}` is of Python's standard library"
    if top(module) in _REMOVED:
        return _removed(module, part, case), f"setuptools had `{module}`, and its new releases do not"
    if part is not None:
        return _for_a_distribution(module, part, raised, case), f"the import is in the code of {part}"
    if is_own(module, raised, case):
        why = f"`{top(module)}` is a file or folder of the project, or the project's own traceback is in it"
        return _own(module, case), why
    if is_sure(module, case) and (version := provider(module, case).version):
        return _locked(module, provider(module, case), case), f"the lock has {provider(module, case).name} {version}"
    if "." in module and is_sure(module, case) and not is_namespace(top(module)):
        return _gone(module, case), f"the first part, `{top(module)}`, was found; `{module}` was not"
    if top(module) in GENERIC and not is_sure(module, case):
        return _generic(module), f"`{top(module)}` is a name that projects give to their own files"
    return _missing(module, case), f"the project's code imports `{module}`, and nothing provides it"


def _not_a_package(module: str, parent: str, case: Case) -> Finding:
    sure = is_sure(parent, case) or parent in sys.stdlib_module_names
    path = case.facts.tree.locate(parent) if case.facts else None
    hidden = f"the {'module' if parent in sys.stdlib_module_names else 'distribution'} `{parent}`"
    return SHADOWED.finding(
        f"`{parent}` is a single file here, so it has no `{module}`",
        subject=parent,
        cause=f"a file {path or f'{parent}.py'} is imported in place of {hidden}"
        if sure or path
        else f"what Python found as `{parent}` is one file, and not the package that is meant",
        fix=f"rename the file {path or f'{parent}.py'} of the project and delete its __pycache__; if the project has "
        f"no such file, look at what `{parent}.__file__` says: another distribution installs a module of that name",
    )


def _standard(module: str, part: Part | None) -> Finding | None:
    name = top(module)
    who = part.known if part else "the code"
    if since := removed_from_python(name):
        better = f"upgrade {part.name}" if part else "change the import to what replaced it"
        more = "; until then add setuptools, which has a distutils of its own" if name == "distutils" else ""
        return WITHOUT_PART.finding(
            f"{who} imports `{module}`, which Python {since} removed",
            subject=name,
            cause=f"Python {since} and later have no `{name}`",
            fix=f"{better}, or serve with a Python before {since} (`python` in [tool.seatrial]){more}",
        )
    if name in _BUILT or name in sys.stdlib_module_names:
        return WITHOUT_PART.finding(
            f"the Python that runs here has no `{module}`",
            subject=name,
            cause="this Python was built without it, or the image packs it apart",
            fix="use an official image of Python, or install the library's headers before Python is compiled"
            + (
                "; a server needs no tkinter, so import it only where a window is opened"
                if "tk" in name.lower()
                else ""
            ),
        )
    return None


def _removed(module: str, part: Part | None, case: Case) -> Finding:
    has, since = _REMOVED[top(module)]
    served = case.locked(has)
    who = part.known if part else "the project's code"
    lacks = f"{has} {served}" if served else f"{has} {since} and later"
    pin = f"pin `{has}<{since}` in requirements.in and run `seatrial lock`"
    better = (
        f"upgrade {part.name} to a release that does not import it"
        if part
        else "use importlib.metadata and importlib.resources instead"
    )
    return (MISFIT if part else MISSING_NAME).finding(
        f"{who} imports `{module}`, which {lacks} no longer has",
        subject=has,
        cause=f"{has} {since} removed `{top(module)}`; without a bound the lock takes the newest {has}",
        fix=f"{better}; or {pin}: {has} without a bound does not help",
    )


def _for_a_distribution(module: str, part: Part, raised: Raised, case: Case) -> Finding:
    """Judge an import in the code of a distribution."""
    has = provider(module, case)
    if has.name == part.name or top(module) == top(_module_of(asker(raised))):
        return _of_itself(module, part)
    if is_own(module, raised, case) and not is_sure(module, case):
        return _own(module, case)
    if top(module) in GENERIC and not is_sure(module, case):
        return _generic(module)
    if "." in module and (has.version or is_sure(module, case)) and not is_namespace(top(module)):
        rule: Rule = _rule_of(module) or MISFIT
        return rule.finding(
            f"{part.known} imports `{module}`, which {has.known} does not have",
            subject=has.name,
            cause=f"{has.name} moved or removed the module; {part.name} was written for another version of it",
            fix=also(fit_together(part, has), pin_with(has, module, "", case)),
        )
    if has.version:
        return _locked(module, has, case)
    line = _line(module, case)
    return OPTIONAL.finding(
        f"{part.known} imports `{module}`, which no requirement provides",
        subject=has.name,
        cause=f"{part.name} asks for it only when this part of it is used, so its metadata need not name it",
        fix=f"add the line `{line}` to requirements.in, then run `seatrial lock`"
        + (
            ""
            if is_sure(module, case)
            else f"; look up in {part.name}'s documentation which distribution has `{module}`"
        ),
    )


def _of_itself(module: str, part: Part) -> Finding:
    last = module.rpartition(".")[2]
    if _EXTENSION.search(last):
        return BROKEN_INSTALL.finding(
            f"{part.known} lacks its compiled part `{module}`",
            subject=part.name,
            cause="it was installed without its compiled operators: from a source without a compiler, or as a lite "
            "build",
            fix=f"install a wheel of {part.name} that was built for the locked torch and Python, with its operators",
        )
    return BROKEN_INSTALL.finding(
        f"{part.known} lacks its own module `{module}`",
        subject=part.name,
        cause="files of two versions are mixed, the wheel was built without this folder, or another distribution "
        f"installs a package of the name `{top(module)}`",
        fix=f"build the environment afresh from the lock; if it stays, pin another release of {part.name}",
    )


def _own(module: str, case: Case) -> Finding:
    path = case.facts.tree.locate(module) if case.facts else None
    cause = (
        f"{path} does not ship: `packages` does not name it"
        if path
        else f"`{top(module)}` is the project's own, and what was installed or copied does not have this module"
    )
    return NOT_IN_PACKAGE.finding(
        f"`{module}` is imported, but the package does not contain it", subject=module, cause=cause
    )


def _locked(module: str, has: Part, case: Case) -> Finding:
    if "." in module:
        return _gone_from(module, has, case)
    return BROKEN_INSTALL.finding(
        f"`{module}` is not there, although the lock has {has}",
        subject=has.name,
        cause="what runs is not what the lock says: another interpreter, an environment that was made before, or a "
        "step of the image that does not install the lock",
        fix="install the whole lock with the Python that starts the server, and check with `python -m pip show "
        f"{has.name}`",
    )


def _gone(module: str, case: Case) -> Finding:
    return _gone_from(module, provider(module, case), case)


def _gone_from(module: str, has: Part, case: Case) -> Finding:
    rule = _rule_of(module) or MISSING_NAME
    change = (
        f"change the import to where the locked {has.name} has it, or pin the version of {has.name} that training used"
    )
    return rule.finding(
        f"{has.known} has no module `{module}`",
        subject=has.name,
        cause=f"releases of {has.name} move and remove modules; the code was written for another one",
        fix=rule.fix
        if rule is not MISSING_NAME
        else also(f"{change} in requirements.in; then run `seatrial lock`", pin_with(has, module, "", case)),
    )


def _rule_of(module: str) -> Rule | None:
    """Return the older rule that knows what became of a module."""
    if module.startswith(("torchvision.transforms.functional_tensor", "torchvision.transforms.functional_pil")):
        return PRIVATE_MODULE
    return V2_NAMES if module.startswith("torchvision.datapoints") else None


def _generic(module: str) -> Finding:
    name = top(module)
    return NOT_IN_PACKAGE.finding(
        f"`{module}` is imported, and it is most likely a file of the project or of a cloned repository",
        subject=module,
        cause=f"`{name}` is a name of files and folders; a distribution `{name}` of an index would be somebody else's",
        fix=f"ship the file: put `{name}` into the predictor's package or name it in `packages`; do not install a "
        "distribution of that name",
    )


def _missing(module: str, case: Case) -> Finding:
    name = distributions_of(module)[0]
    message = f"`{module}` is imported, but no requirement provides it"
    if where := elsewhere(module):
        return MISSING_DISTRIBUTION.finding(message, subject=name, cause=where, fix=_FROM_ELSEWHERE)
    if is_sure(module, case):
        add = f"add `{name}` to requirements.in, then run `seatrial lock`"
        return MISSING_DISTRIBUTION.finding(
            message, subject=name, fix=how_to_provide(module, case.facts) if case.facts else add
        )
    own = f"if `{top(module)}` is a file of the project, ship it: name it in `packages`; if it is a library's, "
    fix = f"look up which distribution has `{module}` (`{name}` is a guess by the name), add it to requirements.in and "
    return MISSING_DISTRIBUTION.finding(
        message, subject=name, fix=f"{'' if case.facts else own}{fix}run `seatrial lock`"
    )


def _line(module: str, case: Case) -> str:
    from seatrial.rules.imports import line_for

    return line_for(module, case.facts) if case.facts else distributions_of(module)[0]


def _module_of(frame: Frame | None) -> str:
    return frame.module if frame and not is_projects(frame) else ""
