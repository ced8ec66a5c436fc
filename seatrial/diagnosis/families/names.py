"""Missing names: `from X import name`, `X.name`, and names that a library says it removed.

The question is whose name it is, and whose code asks: the project's own name is a slip, a distribution's is a version,
and a name that one distribution asks of another means that the two do not fit each other.
"""

from __future__ import annotations

import collections.abc
import re
import sys
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.releases import also, pin_with
from seatrial.diagnosis.families.whose import (
    Part,
    asker,
    asking_part,
    fit_together,
    is_own,
    is_sure,
    is_unpickling,
    part_of,
    provider,
    top,
)
from seatrial.diagnosis.raised import Owner
from seatrial.facts.tables import distributions_of
from seatrial.rules.lock.companions import OLD_TORCHVISION
from seatrial.rules.lock.fitting import BROKEN_INSTALL, SHADOWED, WITHOUT_PART
from seatrial.rules.lock.names import MISFIT, MISSING_NAME
from seatrial.rules.lock.pairs import DOES_NOT_IMPORT
from seatrial.rules.serving.code import CIRCULAR
from seatrial.rules.source.package import NO_PREDICTOR, NOT_IN_PACKAGE
from seatrial.rules.transforms import libraries, removed_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding
    from seatrial.rules.rule import Rule

_IMPORT = re.compile(
    r"cannot import name '?(?P<name>[\w.]+)'? from (?P<partial>partially initialized module )?'(?P<module>[\w.]+)'"
    r"(?: \(most likely due to a circular import\))?(?: \((?P<file>[^()\n]+)\))?"
)
_ATTRIBUTE = re.compile(
    r"(?P<partial>partially initialized )?module '(?P<module>[\w.]+)' "
    r"(?:from '(?P<file>[^'\n]+)' )?has no attribute '(?P<name>\w+)'"
)
# numpy says of a name in which release it was removed: `np.float_` was removed in the NumPy 2.0 release.
_SAID = re.compile(
    r"`?(?P<written>[\w.]+)`? was removed in the (?P<library>\w+) (?P<release>\d+\.\d+) release\.?(?P<hint>.*)"
)
_ALIASES = {"np": "numpy", "pd": "pandas", "tf": "tensorflow", "plt": "matplotlib.pyplot"}
_INSTALLED = re.compile(r"(?:site|dist)-packages")


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge a name that a module does not have; names that a pickle asks for are another family's."""
    if raised.name not in ("ImportError", "AttributeError") or is_unpickling(raised):
        return
    if said := _SAID.match(raised.message):
        finding, why = _removed(said, raised, case)
    elif (raised.name == "ImportError" and (found := _IMPORT.match(raised.message))) or (
        found := _ATTRIBUTE.match(raised.message)
    ):
        finding, why = _judged(found, raised, case)
    else:
        return
    yield Diagnosis(finding, why, raised.position)


def _judged(found: re.Match[str], raised: Raised, case: Case) -> tuple[Finding, str]:
    module, name, file = found["module"], found["name"], found["file"] or ""
    part = asking_part(raised, name, case)
    if found["partial"]:
        return _partial(module, name, file, raised, case)
    installed = bool(_INSTALLED.search(file)) or "/lib/python" in file
    own = bool(file) and not installed
    if not own and is_own(module, raised, case):
        own = not is_sure(module, case) or (case.facts is not None and not installed)
    if own and (hidden := _hides(module, file, case)):
        return _shadow(module, name, file), f"{file or module} is the user's file, and {hidden} has that name too"
    if own:
        return _own(module, name, raised, case)
    if top(module) in sys.stdlib_module_names:
        return _of_python(module, name, part), f"`{module}` is of Python's standard library"
    has = provider(module, case)
    if raised.name == "AttributeError" and not is_sure(module, case) and _is_the_servers(raised):
        finding = NO_PREDICTOR.finding(f"module `{module}` has no class `{name}`")
        return finding, f"what starts the predictor asks `{module}` for `{name}`"
    if part is None:
        return _asked_by_project(
            module, name, has, case
        ), f"the project's code asks `{module}`, of {has.name}, for `{name}`"
    if part.name == has.name or _same(part, module):
        return _of_itself(module, name, part), f"{part}'s own code asks `{module}` for `{name}`"
    if module.startswith("torch.") and part.name == "torchvision":
        return _pair(module, name, part, has), "torchvision's import asks torch for a name that it does not have"
    why = f"the code of {part} asks `{module}`, of {has.name}, for `{name}`"
    return _asked_by_distribution(module, name, part, has, case), why


def _of_python(module: str, name: str, part: Part | None) -> Finding:
    """Judge a name that the standard library of the running Python does not have."""
    new = "; it is in collections.abc" if module == "collections" and name in collections.abc.__all__ else ""
    return WITHOUT_PART.finding(
        f"{part.known if part else 'the code'} asks `{module}` for `{name}`, which this Python does not have{new}",
        subject=module,
        cause="each Python removes names that it had deprecated; the code was written for an older one, or for a newer",
        fix=(
            f"upgrade {part.name} to a release for this Python"
            if part
            else "write what Python's documentation names instead"
        )
        + ", or serve with the Python that training used (`python` in [tool.seatrial])",
    )


def _is_the_servers(raised: Raised) -> bool:
    """Return whether a server or a command line asked, as for the class that a setting names."""
    frame = asker(raised)
    return frame is not None and (frame.owner is Owner.SERVER or frame.file.startswith("<"))


def _partial(module: str, name: str, file: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    """Judge a module that is found while its import is not done."""
    file = file or next((f.file for f in reversed(raised.frames) if f.module == module), "")
    part = next((p for f in reversed(raised.frames) if f.file == file and (p := part_of(f))), None)
    if _INSTALLED.search(file) or (not file and is_sure(module, case)):
        has = part or provider(module, case)
        return _of_itself(module, name, has), f"Python calls `{module}` partially initialized, and it is {has.name}'s"
    if is_sure(module, case) or top(module) in sys.stdlib_module_names:
        return _shadow(
            module, name, file
        ), f"Python calls `{module}` partially initialized, and imported it from the project"
    others = [f.module for f in raised.frames if f.owner is Owner.PROJECT and f.module and f.module != module]
    between = f" and `{others[-1]}`" if others else ""
    finding = CIRCULAR.finding(
        f"`{module}`{between} import each other: `{module}` has no `{name}` yet",
        subject=module,
        cause=f"`{module}` was still being imported when `{name}` was asked of it: a circular import",
    )
    return finding, "Python calls the module partially initialized, and it is the project's own"


def _hides(module: str, file: str, case: Case) -> str:
    """Return what a module of the project hides; "" if nothing."""
    if _INSTALLED.search(file) or "." in module:
        return ""
    if module in sys.stdlib_module_names:
        return "the standard library"
    if is_sure(module, case) and (file or (case.facts and case.facts.tree.locate(module))):
        return provider(module, case).name
    return ""


def _shadow(module: str, name: str, file: str) -> Finding:
    shown = file or f"{module}.py"
    return SHADOWED.finding(
        f"`{top(module)}` is imported from the project's own file {shown}, and that has no `{name}`",
        subject=top(module),
        cause="the file has the name of the module that is meant, and Python finds it first",
        fix=f"rename {shown}, and delete its __pycache__",
    )


def _own(module: str, name: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    facts = case.facts
    if facts is not None and module == facts.project.predictor_module and name == facts.project.predictor_class:
        return (
            NO_PREDICTOR.finding(f"module `{module}` has no class `{name}`"),
            f"`{name}` is the class that [tool.seatrial] names",
        )
    defined = facts.tree.definitions([name]).get(name) if facts else None
    finding = NOT_IN_PACKAGE.finding(
        f"the project's own module `{module}` has no `{name}`",
        subject=module,
        cause=f"`{name}` is defined in {defined}"
        if defined
        else "it is spelled otherwise, was renamed, or what is installed is older than the source",
        fix=f"import `{name}` from where it is defined"
        if defined
        else f"look at what {module} defines; if it has `{name}`, build the package again, so that it does not run a "
        "stale copy",
    )
    return finding, f"`{module}` is the project's own"


def _asked_by_project(module: str, name: str, has: Part, case: Case) -> Finding:
    new = removed_names.became(f"{module}.{name}") or libraries.became(f"{module}.{name}")
    rule = _rule_of(module, name) or MISSING_NAME
    served = f"{module}.{name}"
    if new:
        return rule.finding(
            f"{has.known} has no `{served}` any more",
            subject=has.name,
            cause=f"{has.name} {new[1]} removed it",
            fix=f"{new[0]}; or pin `{has.name}<{new[1]}` in requirements.in and run `seatrial lock`",
        )
    return rule.finding(
        f"{has.known} has no `{served}`",
        subject=has.name,
        cause=f"this release of {has.name} no longer has the name, or does not have it yet; it is misspelled, or it is "
        f"a module of its own that must be imported: `import {served}`",
        fix=also(
            f"{f'{rule.fix}; ' if rule is not MISSING_NAME else ''}write what {has.name}'s changelog names in place of "
            f"`{name}`, or pin the version of {has.name} that training used in requirements.in; then run `seatrial "
            "lock`",
            pin_with(has, module, name, case),
        ),
    )


def _asked_by_distribution(module: str, name: str, part: Part, has: Part, case: Case) -> Finding:
    new = removed_names.became(f"{module}.{name}") or libraries.became(f"{module}.{name}")
    rule = _rule_of(module, name) or MISFIT
    if new is None:
        return rule.finding(
            f"{part.known} asks `{module}` for `{name}`, which {has.known} does not have",
            subject=has.name,
            cause=f"{part.name} and {has.name} do not fit each other: {part.name} was written for another {has.name}",
            fix=also(fit_together(part, has), pin_with(has, module, name, case)),
        )
    return rule.finding(
        f"{part.known} uses `{module}.{name}`, which {has.name} {new[1]} removed",
        subject=has.name,
        cause=f"{part.name} was written for an older {has.name}; the line is in {part.name}'s code, not in the "
        "project's",
        fix=f"upgrade {part.name} to a release that does without it (in its code: {new[0]}), or pin "
        f"`{has.name}<{new[1]}` in requirements.in; then run `seatrial lock`",
    )


def _removed(said: re.Match[str], raised: Raised, case: Case) -> tuple[Finding, str]:
    """Judge a name of which the library itself says in which release it was removed."""
    short, _, name = said["written"].rpartition(".")
    module = _ALIASES.get(short, short or said["library"].lower())
    has = provider(module, case)
    part = asking_part(raised, name, case)
    hint = said["hint"].strip().rstrip(".")
    pin = f"pin `{has.name}<{said['release'].removesuffix('.0')}` in requirements.in; then run `seatrial lock`"
    if part is not None and part.name != has.name:
        finding = libraries.GONE_NAME.finding(
            f"{part.known} uses `{module}.{name}`, which {has.name} {said['release']} removed",
            subject=has.name,
            cause=f"{part.name} was written for {has.name} before {said['release']}; the line is in its code, not the "
            "project's",
            fix=f"upgrade {part.name} to a newer release that does without it, or {pin}",
        )
        return finding, f"{has.name} says in which release it removed the name, and {part} asked for it"
    finding = libraries.GONE_NAME.finding(
        f"{has.known} has no `{module}.{name}`: release {said['release']} removed it",
        subject=has.name,
        cause=hint,
        fix=f"{f'change the line: {hint[0].lower()}{hint[1:]}' if hint else 'write what replaced it'}; or {pin}",
    )
    return finding, f"{has.name} says in which release it removed the name"


def _of_itself(module: str, name: str, part: Part) -> Finding:
    if name.startswith("_") and (name in ("_C", "_ext", "_cuda") or name.endswith(("_cuda", "_cpu", "_ext"))):
        cause = "it was installed without its compiled operators: from a source without a compiler, or as a lite build"
        fix = f"install a wheel of {part.name} that was built for the locked torch and Python"
    else:
        several = "; ".join(names) if len(names := distributions_of(module)) > 1 else ""
        cause = f"files of two versions of {part.name} are mixed in one folder, which is a broken install" + (
            f", or several distributions wrote into `{top(module)}` ({several})" if several else ""
        )
        fix = (
            f"install into a clean environment: reinstall {part.name} afresh from the lock, rebuild the image without "
            f"a layer that already has another {part.name}, and restart the process after an upgrade"
            + (f"; keep one distribution of `{top(module)}` alone, in the lock and in the image" if several else "")
        )
    return BROKEN_INSTALL.finding(
        f"{part.known} asks its own `{module}` for `{name}`, which is not there",
        subject=part.name,
        cause=cause,
        fix=fix,
    )


def _pair(module: str, name: str, part: Part, has: Part) -> Finding:
    return DOES_NOT_IMPORT.finding(
        f"{part.known} was built for another torch: it asks `{module}` for `{name}`, which {has.known} does not have",
        subject="torchvision",
        cause="each torchvision belongs to one torch; these two do not match",
    )


def _rule_of(module: str, name: str) -> Rule | None:
    """Return the older rule that is about names of a library."""
    if module.startswith("torchvision.transforms.v2"):
        return removed_names.V2_NAMES
    if module == "PIL.Image" and name.isupper():
        return removed_names.PILLOW_NAMES
    if name == "PILLOW_VERSION":
        return OLD_TORCHVISION
    if module == "torchvision.io":
        return removed_names.IO_NAMES
    if module.startswith("torchvision.transforms"):
        return removed_names.OLD_NAMES
    if module == "torchvision" and name == "datapoints":
        return removed_names.V2_NAMES
    return libraries.GONE_NAME if libraries.became(f"{module}.{name}") else None


def _same(part: Part, module: str) -> bool:
    return part.name in distributions_of(module) or part.name.replace("-", "_") == top(module)
