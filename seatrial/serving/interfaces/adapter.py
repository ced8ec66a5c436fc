"""What the module of an interface provides, and what it makes of a predictor class."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from seatrial.serving.frames import Job, Results
    from seatrial.serving.interfaces import Interface
    from seatrial.serving.settings import Bundle


class Served(Protocol):
    """A loaded predictor.

    Attributes:
        interface: the name of its interface.
        splits: whether a job holds instances of one or more requests; otherwise it holds one request, whole.
        no_image: why a request whose body is an image file is refused; "" if it is taken.
    """

    interface: str
    splits: bool
    no_image: str

    def answer(self, job: Job) -> Results:
        """Return a result for each item of a job, and what the stages took; it raises nothing."""


class Adapter(Protocol):
    """The module of an interface."""

    def recognises(self, predictor: type) -> bool:
        """Return whether a class has the shape of this interface; nothing of it is called."""

    def serve(self, predictor: type, artifacts_uri: str, bundle: Bundle) -> Served:
        """Create and load a predictor. What its code raises goes through unchanged."""


def adapter_of(interface: Interface) -> Adapter:
    """Import the module of an interface."""
    name = interface.name.replace("-", "_")
    return cast("Adapter", importlib.import_module(f"seatrial.serving.interfaces.{name}"))
