"""The pairs, found in the modules of this folder; see tests/projects/base.py."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tests.projects.base import Twin

TWINS: tuple[Twin, ...] = tuple(
    twin for module in pkgutil.iter_modules(__path__, f"{__name__}.") for twin in import_module(module.name).TWINS
)
