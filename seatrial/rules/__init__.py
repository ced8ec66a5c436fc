"""Rules: judge facts, never read files. One folder per family, one `Rule` per fault.

A rule is registered by being in a module of its family's folder; all are found once, when this package is imported.
"""

from __future__ import annotations

import difflib
import pkgutil
import re
from importlib import import_module
from typing import TYPE_CHECKING

from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _modules() -> Iterator[str]:
    """Yield the names of the modules of every family, in order."""
    for family in pkgutil.iter_modules(__path__, f"{__name__}."):
        if family.ispkg:
            folder = import_module(family.name).__path__
            yield from (module.name for module in pkgutil.iter_modules(folder, f"{family.name}."))


def _found() -> dict[str, Rule]:
    """Return every rule by its code, in the order of codes.

    Raises:
        ValueError: two rules have the same code.
    """
    rules: dict[str, Rule] = {}
    for module in _modules():
        for value in vars(import_module(module)).values():
            # A rule that one module imports from another is the same object.
            if isinstance(value, Rule) and rules.setdefault(value.code, value) is not value:
                raise ValueError(f"{module} uses the code {value.code} a second time")
    return dict(sorted(rules.items()))


RULES = _found()


def nearest(code: str) -> str:
    """Return `; did you mean `ST412`?` for a code that does not exist, or "" if none is similar."""
    family = code.upper()[:3] if re.fullmatch(r"ST\d+", code.upper()) else ""
    near = difflib.get_close_matches(code.upper(), [known for known in RULES if known.startswith(family)], n=len(RULES))
    # Of equally similar codes, the one with the longest common beginning.
    best = max(near, key=lambda known: _beginning(known, code.upper()), default="")
    return f"; did you mean `{best}`?" if best else ""


def _beginning(one: str, other: str) -> int:
    return sum(other.startswith(one[:length]) for length in range(1, len(one) + 1))
