"""What a log says was raised: exceptions, their frames, and whose code each frame is. Read by `exceptions.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.findings import Location


class Owner(StrEnum):
    """Whose code a frame is."""

    PROJECT = "project"
    DISTRIBUTION = "distribution"  # something that is installed, locked or not
    PYTHON = "python"  # the standard library
    SERVER = "server"  # what serves the predictor, or starts it: our runtime, gunicorn, TorchServe's worker
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a traceback.

    Attributes:
        file: the path as the log has it.
        line: the line's number.
        function: the function's name; "" if the log does not say it.
        source: the source line without its indent; "" if the log does not have it.
        owner: whose code it is.
        module: the dotted name of the module; "" if the path does not tell.
        distribution: the normalised name of the distribution that the file is of; "" if it is none, or unknown.
        version: the version of it that the project locks; "" if it locks none, or there is no project.
        place: where in the project, if it is the project's code.
    """

    file: str
    line: int
    function: str
    source: str
    owner: Owner
    module: str = ""
    distribution: str = ""
    version: str = ""
    place: Location | None = None


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception in a log, with what it is chained to.

    Attributes:
        type: its name as Python prints it, such as `ModuleNotFoundError` or `torch.OutOfMemoryError`.
        message: what it says; may have several lines.
        frames: outermost first; the last is the one that raised. Empty if the log has none.
        position: the offset in the text of the line that names it.
        cause: the exception that it follows from, by `raise … from` or while that one was handled.
        while_handling: whether it was raised while the cause was handled, and not from it.
    """

    type: str
    message: str
    frames: tuple[Frame, ...]
    position: int
    cause: Raised | None = None
    while_handling: bool = False

    @property
    def name(self) -> str:
        """The type without its module."""
        return self.type.rpartition(".")[2]

    @property
    def raiser(self) -> Frame | None:
        """The frame that raised it."""
        return self.frames[-1] if self.frames else None

    @property
    def users(self) -> Frame | None:
        """The innermost frame of the project's code, of this exception or else of what it follows from."""
        for raised in self.chain():
            for frame in reversed(raised.frames):
                if frame.owner is Owner.PROJECT:
                    return frame
        return None

    @property
    def blamed(self) -> Frame | None:
        """The innermost frame that is not the standard library's: whose code met the fault."""
        return next((frame for frame in reversed(self.frames) if frame.owner is not Owner.PYTHON), None)

    def chain(self) -> Iterator[Raised]:
        """Yield this exception and what it follows from, the first cause last."""
        raised: Raised | None = self
        while raised is not None:
            yield raised
            raised = raised.cause
