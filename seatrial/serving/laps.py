"""A stopwatch for the stages of a job, whose seconds the server's metrics show."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    Stage = Literal["decode", "preprocess", "predict", "postprocess"]


class Laps:
    """The seconds of each stage.

    Attributes:
        seconds: by the name of the stage; one that never ended is not there.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def end(self, stage: Stage) -> None:
        """Count what has passed since the last end, or the beginning, to a stage."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now
