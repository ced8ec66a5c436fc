"""What a pickle names, as facts: the globals that it imports, its tensors and storages, its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.facts.checkpoints.streams import Value

Name = tuple[str, str]  # a module, and what is taken from it


@dataclass(frozen=True, slots=True)
class Global:
    """What GLOBAL and STACK_GLOBAL name: a module and a name in it."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: its dtype as torch names it ("" if unknown), and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """The bytes of tensors: the key of their record, the device they were on, and their number (None if unknown)."""

    dtype: str
    key: str
    location: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An attribute that a pickle gets: the class, or the class of the object, its name, and whether it is called."""

    target: Global | None
    attribute: str
    called: bool


@dataclass(slots=True)
class PickleScan:
    """What one pickle names.

    Attributes:
        protocol: the highest that it declares; 0 if it declares none.
        globals: (module, name) as today's Python calls them, in order, each once.
        called: those of them that it calls, or makes an object of with arguments.
        changed: those of them whose attributes or items it sets.
        computed: whether it imports or calls something that no constant of the pickle names.
        fetched: the attributes that it reads.
        acts: whether it calls or instantiates anything.
        loaded: the bytes that it gives to a function that loads them; None for bytes that cannot be read again.
        held: other bytes in it that begin like a file that a function could load.
        storages: its torch storages by key.
        states: class → the attributes that objects of it have, one entry a distinct set.
        keys: what its top object, or a dict in it, maps to tensors: "" or the key of the inner dict → name → tensor.
        top: what the top object is, such as `dict` or `torchvision.models.resnet.ResNet`; "" if it is not a dict,
            a tensor or an object of a class.
        integer: the value of a pickle that is only an integer.
        complete: whether it was followed to its STOP.
        fault: why it is damaged: it ends before its STOP, or does not unpack; "" if it is not.
        unknown: whether it ends at a byte that is no instruction.
        too_long: whether it has more opcodes or nested pickles, or unpacks to more, than is followed.
    """

    protocol: int = 0
    globals: dict[Name, None] = field(default_factory=dict)
    called: dict[Name, None] = field(default_factory=dict)
    changed: dict[Name, None] = field(default_factory=dict)
    computed: bool = False
    fetched: dict[Fetched, None] = field(default_factory=dict)
    acts: bool = False
    loaded: list[Value | None] = field(default_factory=list)
    held: list[Value] = field(default_factory=list)
    storages: dict[str, Storage] = field(default_factory=dict)
    states: dict[tuple[str, frozenset[str]], None] = field(default_factory=dict)
    keys: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    top: str = ""
    integer: int | None = None
    complete: bool = False
    fault: str = ""
    unknown: bool = False
    too_long: bool = False
