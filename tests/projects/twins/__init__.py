"""The pairs, a module a family; see tests/projects/base.py."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.twins import (
    checkpoints,
    code,
    deploy_code,
    imports,
    libraries,
    locks,
    pairs,
    settings,
    supply,
    transforms,
    waivers,
    wheels,
)

TWINS: tuple[Twin, ...] = (
    *checkpoints.TWINS,
    *code.TWINS,
    *deploy_code.TWINS,
    *imports.TWINS,
    *libraries.TWINS,
    *locks.TWINS,
    *pairs.TWINS,
    *settings.TWINS,
    *supply.TWINS,
    *transforms.TWINS,
    *waivers.TWINS,
    *wheels.TWINS,
)
