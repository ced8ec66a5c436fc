"""Name the steps of a hand-written pipeline, so that a trial can tell which of them differs from training.

`Compose`, `nn.Sequential` and the transforms in them are found without this. Steps between them are named so:

    from seatrial.serving.stages import stage

    pixels = stage("cropped", crop(image))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

watcher: Callable[[str, Any], Any] | None = None  # set while a pipeline is recorded or replayed, never while it serves


def stage(name: str, value: T) -> T:
    """Return `value`; while the pipeline is replayed, what training recorded for this step if it differs."""
    return value if watcher is None else watcher(name, value)
