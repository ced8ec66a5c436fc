"""What a pickle names, as facts: the globals that it imports, its tensors and storages, its keys."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """An attribute that a pickle gets by `getattr`: of what, its name, and whether the pickle then calls it."""

    target: Global | None
    attribute: str
    called: bool


@dataclass(slots=True)
class PickleScan:
    """What one pickle names.

    Attributes:
        protocol: the highest that it declares; 0 if it declares none.
        globals: (module, name) as today's Python calls them, in order, each once.
        computed: whether it imports a name that is not a constant of the pickle.
        fetched: the attributes that it reads.
        acts: whether it calls or instantiates anything.
        storages: its torch storages by key.
        states: class → the attributes that objects of it have, one entry a distinct set.
        keys: what its top object, or a dict in it, maps to tensors: "" or the key of the inner dict → name → tensor.
        top: what the top object is, such as `dict` or `torchvision.models.resnet.ResNet`; "" if it is not a dict,
            a tensor or an object of a class.
        integer: the value of a pickle that is only an integer.
        complete: whether it was followed to its STOP.
        fault: why it is damaged: it ends before its STOP, or does not unpack; "" if it is not.
        too_long: whether it has more opcodes or nested pickles than are followed.
    """

    protocol: int = 0
    globals: dict[tuple[str, str], None] = field(default_factory=dict)
    computed: bool = False
    fetched: dict[Fetched, None] = field(default_factory=dict)
    acts: bool = False
    storages: dict[str, Storage] = field(default_factory=dict)
    states: dict[tuple[str, frozenset[str]], None] = field(default_factory=dict)
    keys: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    top: str = ""
    integer: int | None = None
    complete: bool = False
    fault: str = ""
    too_long: bool = False
