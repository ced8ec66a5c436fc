"""The targets of a deploy: each row says what is special about one and how its platform is reached.

Another platform is another folder in `seatrial.deploy` and another row here.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.deploy.platform import Platform, Traits
from seatrial.deploy.vertex.target import TARGETS, vertex
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.project import Project


@dataclass(frozen=True, slots=True)
class Row:
    """A target.

    Attributes:
        traits: how it differs from the others.
        check: raises a UsageError if the project lacks what the target needs.
        connect: yields its platform; what was started for it ends with the block.
    """

    traits: Traits
    check: Callable[[Project], None]
    connect: Callable[[Project], AbstractContextManager[Platform]]


def chosen(project: Project, wanted: str | None) -> Row:
    """Return the target. Under CI it must be given, so that a rehearsal cannot pass for a deploy.

    Raises:
        UsageError: there is no target under CI, or none of this name, or the project is not configured for it.
    """
    if wanted is None and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        fix = "pass --target vertex, or --target local for a rehearsal, or set SEATRIAL_TARGET"
        raise UsageError("under CI the target must be given", fix=fix)
    name = wanted or ("vertex" if project.vertex.project else "local")
    row = PLATFORMS.get(name)
    if row is None:  # from the environment
        raise UsageError(f"SEATRIAL_TARGET is {name!r}", fix=f"it can be {' or '.join(PLATFORMS)}")
    row.check(project)
    return row


def _needs_nothing(project: Project) -> None:
    """Accept every project."""


def _needs_cloud_project(project: Project) -> None:
    if not project.vertex.project:
        fix = "set vertex.project in [tool.seatrial], or SEATRIAL_VERTEX_PROJECT, or --set project=ID"
        raise UsageError("--target vertex needs the id of a cloud project", fix=fix)


@contextlib.contextmanager
def _emulator(project: Project) -> Iterator[Platform]:
    from seatrial.emulator import local

    with local.running(project, _import_client) as target:
        from seatrial.deploy.vertex.platform import connected

        with connected(target) as platform:
            yield platform


@contextlib.contextmanager
def _google_cloud(project: Project) -> Iterator[Platform]:
    from seatrial.deploy.vertex.platform import connected

    with connected(vertex(project.vertex.project, project.vertex.region)) as platform:
        yield platform


def _import_client() -> None:
    """Import the client of Vertex AI, which takes a second, while an emulator starts."""
    importlib.import_module("seatrial.deploy.vertex.platform")


PLATFORMS = {
    "local": Row(TARGETS["local"].traits, _needs_nothing, _emulator),
    "vertex": Row(TARGETS["vertex"].traits, _needs_cloud_project, _google_cloud),
}
