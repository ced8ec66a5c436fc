"""Family 2, the project's own modules: names that they do not have, and imports that leave the package."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.imports import is_certain, why_not_executed
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

NO_ATTRIBUTE = Rule(
    code="ST221",
    title="an attribute that a module of the project does not have",
    explanation=(
        "The code uses `module.name`, and the module of the project binds no such name: it was renamed, or is "
        "misspelt. Python notices that only when the line runs."
    ),
    fix="write the name that the module has",
    cloud="AttributeError: module 'predictor.settings' has no attribute 'SIZE'",
    sources=("https://docs.python.org/3/reference/datamodel.html#modules",),
    detected=(
        "Attributes of modules of the package in code that serving reaches. It only warns if serving may not run the "
        "line. A module that may bind more than can be read, an attribute that is set from outside, and a use in a try "
        "are left out."
    ),
    bad="settings.SIZE  # settings.py has IMAGE_SIZE",
    good="settings.IMAGE_SIZE",
)


@NO_ATTRIBUTE.decided_by
def _no_attribute(facts: Facts) -> Iterator[Finding]:
    sources = facts.sources
    set_outside = {name for module in sources.modules.values() for name in module.uses.patched}
    # A name that is imported as a module is one that does not ship, ST201, and not an attribute.
    as_module = {imported.module for module in sources.modules.values() for imported in module.imports}
    bound_elsewhere, seen = set_outside | as_module, set[tuple[str, int | None]]()

    def lacks(name: str) -> bool:
        split = _split(name, sources)
        return split is not None and not _has(sources, *split) and ".".join(split) not in bound_elsewhere

    for module, use in sources.named(lacks):
        place = (use.location.path, use.location.line)
        if use.context.tried or "builtins.hasattr()" in use.context.guards or place in seen:
            continue
        owner, name = _split(use.name, sources) or ("", "")
        seen.add(place)
        near = difflib.get_close_matches(name, sources.modules[owner].names, n=1)
        yield NO_ATTRIBUTE.finding(
            f"module `{owner}` has no `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""),
            severity=Severity.ERROR if is_certain(module, use.context, facts) else Severity.WARNING,
            location=use.location,
            subject=f"{owner}.{name}",
            cause=f"{sources.modules[owner].path} binds no such name",
            fix=f"write `{near[0]}`, or define `{name}` there" if near else NO_ATTRIBUTE.fix,
        )


BEYOND = Rule(
    code="ST222",
    title="a relative import that leaves the package",
    explanation=(
        "A relative import ends at the top-level package. A module that stands alone has no package at all, and "
        "above a package in `packages` there is none: Python refuses the import, whatever lies in the folder above."
    ),
    fix="write the absolute name, and name its top-level package in `packages`; or move the module into the package",
    cloud=SERVER_EXITED,
    sources=(
        "https://docs.python.org/3/reference/import.html#package-relative-imports",
        EXITED_SOURCE,
    ),
    detected=(
        "The dots of relative imports in code that serving reaches against the depth of their module. It only warns if "
        "the import is inside an `if` or a function that serving may never call."
    ),
    bad="from ..training import normalise  # in predictor/transforms.py",
    good="from predictor.normalising import normalise",
)


@BEYOND.decided_by
def _beyond(facts: Facts) -> Iterator[Finding]:
    sources = facts.sources
    for module in sources.serving_modules():
        for imported in module.beyond:
            is_served = not imported.function or (module.name, imported.function) in sources.serving
            if imported.optional or not imported.runs or not is_served:
                continue
            doubt = why_not_executed(module, imported, facts)
            alone = "." not in module.name and not module.is_package
            where = (
                f"{module.path} is in no package" if alone else f"`{module.name.partition('.')[0]}` is the top package"
            )
            yield BEYOND.finding(
                f"`from {imported.module} import {', '.join(imported.names)}` leaves the package",
                severity=Severity.WARNING if doubt else Severity.ERROR,
                location=imported.location,
                cause=f"{where}; {doubt}" if doubt else where,
                cloud="ImportError: attempted relative import "
                + ("with no known parent package" if alone else "beyond top-level package"),
            )


def _split(name: str, sources: Sources) -> tuple[str, str] | None:
    """Split a resolved name into a module of the project and the name in it; None if it is no module's."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        owner = ".".join(parts[:length])
        if owner in sources.modules:
            return None if _is_hidden(owner, sources) else (owner, parts[length].partition("(")[0].partition("[")[0])
    return None


def _is_hidden(module: str, sources: Sources) -> bool:
    """Return whether the package around a module binds something else by its name."""
    package, _, name = module.rpartition(".")
    around = sources.modules.get(package)
    if around is None or name not in around.names:
        return False
    bound = around.uses.values.get(name)
    return bound is None or bound.name != module


def _has(sources: Sources, package: str, name: str) -> bool:
    """Return whether a module has a name, or may have it."""
    module = sources.modules[package]
    return (
        not name.isidentifier()
        or name.startswith("__")
        or module.open
        or name in module.names
        or sources.ships(f"{package}.{name}")
    )
