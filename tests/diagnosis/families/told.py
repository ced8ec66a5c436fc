"""The rules that the tests of families show to be told of a text."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tests.diagnosis import families
from tests.diagnosis.families.logs import Fault


def codes() -> set[str]:
    """Return the code of every fault in the tables of this folder's tests."""
    modules = [import_module(f"{families.__name__}.{each.name}") for each in pkgutil.iter_modules(families.__path__)]
    faults: list[Fault] = [fault for module in modules for fault in getattr(module, "FAULTS", [])]
    return {fault.code for fault in faults}
