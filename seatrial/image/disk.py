"""Free disk: how much building a layer needs in each place, and what to remove if that is missing.

Nothing is removed here: only the user knows which images other projects need. All sizes are in gigabytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError

# Copies of a layer's tar at the peak of a build, measured with `du` on overlay storage. podman 4.3 holds two more in
# its temporary folder; docker's daemon copies the context, BuildKit copies it again, containerd's store packs it.
_PODMAN, _DOCKER, _BUILDX, _CONTAINERD = 3, 2, 3, 5
_PODMAN_TEMPORARY = 2


def refuse_full(
    engine: Engine, workplace: Path, unpacked: float, layer: float, removals: Sequence[str] | None = None
) -> None:
    """Compare free disk with what a layer needs: its unpacked content, its tar, its copies in the engine's storage.

    Args:
        engine: the engine that builds it.
        workplace: where its content, its tar and the builder's temporary files are made.
        unpacked: the size of its content.
        layer: the size of its tar.
        removals: commands that free much, each with how much.

    Raises:
        EnvironmentFaultError: there is too little.
    """
    needs = {workplace: unpacked + layer * (1 + (_PODMAN_TEMPORARY if engine.name == "podman" else 0))}
    storage = engine.storage()
    if storage.is_dir():  # else it is on another machine
        _add(needs, storage, layer * _copies(engine))
    for place, needed in needs.items():
        free = shutil.disk_usage(place).free / 1e9
        if free < needed:
            prune = [f"`{engine.name} image prune` removes images without a name"]
            prune += ["`docker builder prune` the builder's cache"] if engine.buildx else []
            raise EnvironmentFaultError(
                f"{place} has {free:.1f} GB free; building a layer of {layer:.1f} GB needs about {needed:.1f} GB",
                fix="free disk space: " + "; ".join([*(removals or ()), *prune])
                + "; or set SEATRIAL_CACHE to a folder on a larger disk",
            )  # fmt: skip


def at_most(unpacked: float, layer: float) -> float:
    """Return what `refuse_full` asks of one file system for a layer, whatever the engine."""
    return unpacked + layer * (1 + max(_PODMAN + _PODMAN_TEMPORARY, _DOCKER, _BUILDX, _CONTAINERD))


def _copies(engine: Engine) -> int:
    if engine.name == "podman":
        return _PODMAN
    if engine.stores_manifests():
        return _CONTAINERD
    return _BUILDX if engine.buildx else _DOCKER


def _add(needs: dict[Path, float], place: Path, gigabytes: float) -> None:
    """Add what a place needs to an earlier place on the same file system, if there is one."""
    same = next((known for known in needs if known.stat().st_dev == place.stat().st_dev), place)
    needs[same] = needs.get(same, 0.0) + gigabytes
