"""The interfaces that a predictor class may follow: one row here and one module each.

The row says what the tool asks about an interface; the module recognises a class by its shape and serves it. A module
is imported where it is used, so that reading the table costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

AUTO = "auto"  # in [tool.seatrial]: recognise the class by its shape


@dataclass(frozen=True)
class Interface:
    """A predictor interface.

    Attributes:
        name: in [tool.seatrial], in the log and in reports; with underscores, the name of its module.
        needed: the methods without which a class cannot be served.
        loader: the one of them that loads the artifacts.
        batches: the runtime decodes instances and stacks them into batches; otherwise the class gets a request whole.
        preprocesses: names of the first parameter of preprocess by which a class is recognised.
        takes_samples: an instance is an image, so that sample images can stand in for missing golden examples.
        downloads: the class downloads gs:// artifacts itself.
    """

    name: str
    needed: tuple[str, ...]
    loader: str = "load"
    batches: bool = False
    preprocesses: frozenset[str] = frozenset()
    takes_samples: bool = False
    downloads: bool = False


BATCHED = Interface(
    "batched",
    needed=("load", "preprocess", "predict"),
    batches=True,
    preprocesses=frozenset(("image", "img")),
    takes_samples=True,
)
_BODY = frozenset(("prediction_input", "body", "request", "payload", "instances"))
CPR = Interface("cpr", needed=("load", "predict"), preprocesses=_BODY, downloads=True)
AI_PLATFORM = Interface("ai-platform", needed=("from_path", "predict"), loader="from_path")

# A class that fits several is taken for the last of them.
INTERFACES = (BATCHED, CPR, AI_PLATFORM)
NAMES = tuple(interface.name for interface in INTERFACES)


def find(name: str) -> Interface | None:
    """Return the interface of this name; None for another one, such as "auto"."""
    return next((interface for interface in INTERFACES if interface.name == name), None)


def takes_samples(name: str) -> bool:
    """Return whether sample images can be sent to a predictor of the interface of this name."""
    interface = find(name)
    return interface is not None and interface.takes_samples
