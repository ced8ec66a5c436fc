"""Tables of names in pickles: what calling them can do, and which of them the objects of libraries really hold.

The tables are in powers.json and saved.json, which tools/tables makes from published source. They are read when a
pickle names something that is not in the short lists.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def power_of(module: str, name: str) -> str:
    """Return what a function or class can do when it is called, such as `runs code`; "" if nothing is known."""
    module, name = followed(module, name)
    for power, modules in _table("powers.json")["powers"].items():
        if name in modules.get(module, "").split():
            return str(power)
    return ""


def followed(module: str, name: str) -> tuple[str, str]:
    """Follow modules that Python's own modules bind under another name, such as `random._os.system`."""
    aliases = _table("powers.json")["aliases"]
    for _ in range(8):
        head, _, rest = name.partition(".")
        target = aliases.get(module, {}).get(head)
        if target is None or not rest:
            return module, name
        module, name = target, rest
    return module, name


def module_behind(module: str, name: str) -> str:
    """Return the module that a name of one of Python's own modules stands for, such as `os` for `random._os`."""
    return str(_table("powers.json")["aliases"].get(module, {}).get(name, ""))


def is_saved(distribution: str, module: str, name: str, *, called: bool) -> bool:
    """Return whether objects of a distribution hold this name in their pickles, or have it called when loaded."""
    if name in _names("calls", distribution).get(module, "").split():
        return True
    return not called and name in _names("names", distribution).get(module, "").split()


def _names(use: str, distribution: str) -> Mapping[str, str]:
    names: Mapping[str, str] = _table("saved.json")[use].get(distribution, {})
    return names


@cache
def _table(name: str) -> dict[str, Any]:
    text = resources.files("seatrial.facts").joinpath("tables", name).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
