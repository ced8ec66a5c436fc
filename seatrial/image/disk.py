"""Free disk: how much building a layer needs in each place, and what to remove if that is missing.

Nothing is removed here: only the user knows which images other projects need. All sizes are in gigabytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError

# Copies of a layer in an engine's storage at the peak of a build, besides the tar that it is made of. Measured every
# 0.2 s with `du --one-file-system`, which does not count again what an engine has mounted, on overlay storage with a
# layer of 1.5 GB: podman 4.3 has the working container and the image's own layer, and in its temporary folder two tars,
# the layer that it exports and the one that it imports; docker 20.10 copies the context, unpacks it in a container, and
# commits that. Those of BuildKit and containerd's store were measured without that option, so they may be too many.
_PODMAN, _DOCKER, _BUILDX, _CONTAINERD = 2, 3, 3, 5
_PODMAN_TEMPORARY = 2


def refuse_full(
    engine: Engine, workplace: Path, unpacked: float, layer: float, removals: Sequence[str] | None = None
) -> None:
    """Compare free disk with what a layer needs: its unpacked content, its tar, its copies in the engine's storage.

    Args:
        engine: the engine that builds it.
        workplace: where its content, its tar and the builder's temporary files are made.
        unpacked: what making its content adds to the disk.
        layer: the size of its tar.
        removals: commands that free much, each with how much.

    Raises:
        EnvironmentFaultError: there is too little.
    """
    stored, temporary = copies(engine)
    needs = {workplace: unpacked + layer * (1 + temporary)}
    storage = engine.storage()
    if storage.is_dir():  # else it is on another machine
        _add(needs, storage, layer * stored)
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


def copies(engine: Engine) -> tuple[int, int]:
    """Return how many copies of a layer a build holds at once in an engine's storage, and in its temporary folder."""
    if engine.name == "podman":
        return _PODMAN, _PODMAN_TEMPORARY
    if engine.stores_manifests():
        return _CONTAINERD, 0
    return (_BUILDX if engine.buildx else _DOCKER), 0


def _add(needs: dict[Path, float], place: Path, gigabytes: float) -> None:
    """Add what a place needs to an earlier place on the same file system, if there is one."""
    same = next((known for known in needs if known.stat().st_dev == place.stat().st_dev), place)
    needs[same] = needs.get(same, 0.0) + gigabytes
