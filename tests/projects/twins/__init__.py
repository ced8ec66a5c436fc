"""The pairs, a module a family; see tests/projects/base.py."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.twins import code, imports, transforms

TWINS: tuple[Twin, ...] = (*imports.TWINS, *transforms.TWINS, *code.TWINS)
