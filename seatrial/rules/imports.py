"""What an import finds in the serving environment: the package, the lock, the standard library or nothing.

Rules of several families use this for imports in code and for classes in pickles.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import distributions_of, is_known, is_namespace
from seatrial.rules.lock.pins import partner_of_torch
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Context
    from seatrial.facts.python.module import Import, Module
    from seatrial.facts.python.sources import Sources

NO_MODULE = re.compile(r"No module named '(?P<module>[^']+)'")
# Methods of a predictor that a server certainly calls.
_SERVED = {"__init__", "__call__", "setup", "postprocess", *(name for each in INTERFACES for name in each.needed)}
_PATH_CHANGES = {"sys.path.append", "sys.path.insert", "sys.path.extend", "site.addsitedir"}


def is_first_party(sources: Sources, module: str) -> bool:
    """Return whether a module is, or should be, one of the project's own."""
    top = module.split(".")[0]
    return sources.ships(top) or top in sources.absent or module in sources.left_out or top in sources.left_out


def is_own(module: str, facts: Facts) -> bool:
    """Return whether a module is one of the project's own, shipped or not."""
    return is_first_party(facts.sources, module) or facts.tree.locate(module.split(".")[0]) is not None


def how_to_provide(module: str, facts: Facts) -> str:
    """Return which line makes a module available.

    An index may have another author's project under the name of a module that is not known, such as `utils`.
    """
    if not is_known(module):
        line = line_for(module, facts)
        top = module.partition(".")[0]
        own = "" if is_namespace(top) else f"if `{top}` is your own, name its folder or file in `packages`; else "
        add = f"add its distribution to requirements.in and run `seatrial lock`: it need not be called {line}"
        return own + add
    return f"add the line `{line_for(module, facts)}` to requirements.in, then run `seatrial lock`"


def line_for(module: str, facts: Facts) -> str:
    """Return the line of requirements.in that provides a module."""
    distribution = distributions_of(module)[0]
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    torch = pins.get("torch")
    if distribution == "torchvision" and torch and torch.version:
        return partner_of_torch(torch.version) or distribution
    return distribution


def needed_distribution(module: str) -> str:
    """Return the piece of the project on which a module of a distribution rests; see `Finding.lacks`."""
    return f"distribution {distributions_of(module)[0]}"


_RUNTIME = "seatrial.serving."  # its wheel is installed beside every predictor


def is_provided(module: str, facts: Facts) -> bool:
    """Return whether the standard library, the package or a requirement provides a module."""
    top = module.split(".")[0]
    if top in sys.stdlib_module_names or is_first_party(facts.sources, module) or is_namespace(module):
        return True
    if f"{module}.".startswith(_RUNTIME):
        return True
    asked = _asked_for(facts)
    names = distributions_of(module)
    plain = {squeezed(top), *map(squeezed, names)}
    return any(name in asked for name in names) or any(squeezed(name) in plain for name in asked)


def _asked_for(facts: Facts) -> set[str]:
    files = (facts.requirements, facts.lock, facts.cpu_lock)
    return {entry.name for file in files if file for entry in file.entries if entry.requirement}


def squeezed(name: str) -> str:
    """Return a name without what distributions add to a module's name: python-x, py-x, x-headless, x-cpu."""
    parts = [p for p in canonicalize_name(name).split("-") if p not in ("python", "headless", "cpu", "gpu")]
    return "".join(parts).removeprefix("py") if len(parts) > 1 else "".join(parts)


def why_not_executed(module: Module, imported: Import, facts: Facts) -> str:
    """Return why serving may never execute an import; "" if it will."""
    if module.name not in facts.sources.surely:
        return f"`{module.name}` itself is imported only by a function, an `if` or a try"
    if imported.guarded:
        return "it is inside an `if` that serving may never enter"
    owner, _, method = imported.function.rpartition(".")
    if imported.function and not (owner == facts.project.predictor_class and method in _SERVED):
        return f"it is executed only when `{imported.function}` is called"
    return ""


def is_certain(module: Module, context: Context, facts: Facts) -> bool:
    """Return whether serving certainly makes a call in this context, and nothing catches its error."""
    owner, _, method = context.function.rpartition(".")
    is_called = not context.function or (owner == facts.project.predictor_class and method in _SERVED)
    return is_called and module.name in facts.sources.surely and not context.tried and not context.guards


def changes_path(sources: Sources) -> str:
    """Return the first place in the serving code that adds a folder to Python's path; "" if there is none."""
    called = next((str(call.location) for _, call in sources.calls().of(*_PATH_CHANGES)), "")
    return called or next((m.path for m in sources.serving_modules() if "sys.path" in m.uses.patched), "")


def by_short_name(sources: Sources, module: Module, target: str) -> str:
    """Return the module that ships beside the importing one, or above it, if the name lacks only the package.

    The importing module itself is never meant: `import docker` in docker.py asks for a distribution.
    """
    top = target.partition(".")[0]
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    while package and not is_known(target):
        if f"{package}.{top}" != module.name and sources.ships(f"{package}.{top}"):
            return f"{package}.{top}"
        package = package.rpartition(".")[0]
    return ""
