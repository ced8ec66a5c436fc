"""powers.json: what the functions and classes of Python, of torch and of what torch needs can do when they are called.

Only a name that its own source leads to such a call is in the table; a name that is not in it may still do anything.
"""

from __future__ import annotations

import platform
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from packaging.version import Version

from tools.tables import powers
from tools.tables.releases import Table, modules, releases

# torch and what it needs, and what predictors usually lock beside it.
DISTRIBUTIONS = [
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "jinja2",
    "sympy",
    "networkx",
    "fsspec",
    "filelock",
    "setuptools",
    "mpmath",
    "joblib",
    "pandas",
]
_NOT_SERVED = ("/tests/", "/testing/_internal/", "/test/", "idlelib/", "lib2to3/", "tkinter/", "turtledemo/", "test/")


def made(_: Table) -> Table:
    """Return the table as it is now: `powers`: what → module → names; `aliases`: module → name → module.

    Raises:
        OSError, ValueError: a wheel could not be read.
    """
    standard = powers.read(_standard_library())
    able: dict[str, str] = powers.powers(standard)
    versions = [f"Python {platform.python_version()}"]
    for name in DISTRIBUTIONS:
        version, wheels = list(releases(name, Version("0")).items())[-1]
        code = powers.read(modules(wheels[0], lambda path: not any(part in f"/{path}" for part in _NOT_SERVED)))
        able.update(_of_modules(code))
        versions.append(f"{name} {version}")
    return {
        "source": f"the source of {', '.join(versions)}: what their functions call, and what these call in turn",
        "powers": _by_module({**able, **powers.SEEDS}, standard),
        "aliases": _modules_under_other_names(standard),
    }


def _standard_library() -> Mapping[str, bytes]:
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = {file.relative_to(root).as_posix(): file for file in root.rglob("*.py")}
    left_out = (*_NOT_SERVED, "site-packages/", "dist-packages/", "ensurepip/")
    return {
        path: file.read_bytes()
        for path, file in sorted(paths.items())
        if not any(part in f"/{path}" for part in left_out)
    }


def _of_modules(code: powers.Code) -> dict[str, str]:
    """Return what the functions and classes of modules can do, also under the names by which packages offer them."""
    able = powers.powers(code)
    offered = {
        name: able.get(code.resolve(name), "") for name in code.aliases if name.rpartition(".")[0] in code.packages
    }
    own = {name: power for name, power in able.items() if name.rpartition(".")[0] not in code.units}
    return own | {name: power for name, power in offered.items() if power}


def _by_module(able: Mapping[str, str], standard: powers.Code) -> Table:
    """Return power → module → names; a method of Python's own classes is a name with a dot in its module."""
    found: dict[str, dict[str, set[str]]] = {}
    for full, power in able.items():
        module, _, name = full.rpartition(".")
        while module in standard.units:
            module, _, outer = module.rpartition(".")
            name = f"{outer}.{name}"
        found.setdefault(power, {}).setdefault(module, set()).add(name)
    return {
        power: {module: " ".join(sorted(names)) for module, names in sorted(by_module.items())}
        for power, by_module in sorted(found.items())
    }


def _modules_under_other_names(standard: powers.Code) -> Table:
    """Return the modules that Python's own modules bind under other names: module → name → the module behind it."""
    known = {name.rpartition(".")[0] for name in standard.units} | {
        "builtins",
        "sys",
        "posix",
        "_io",
        "_pickle",
        "_socket",
    }
    found: dict[str, dict[str, str]] = {}
    for full, target in sorted(standard.aliases.items()):
        module, _, name = full.rpartition(".")
        behind = standard.resolve(target)
        if behind in known and behind != f"{module}.{name}" and name != behind.rpartition(".")[2]:
            found.setdefault(module, {})[name] = behind
    return found
