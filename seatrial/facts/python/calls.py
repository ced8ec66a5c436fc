"""What a module calls and reads, as facts: resolved names, arguments, and the context of each.

A name is resolved as far as the module alone tells: aliases of imports, names bound once, attributes of `self` that
one assignment binds. `()` in a name stands for the result of a call and `[]` for an item, so `torch.load().eval` is
the method of what torch.load returned. `?` stands for anything unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.findings import Location

Constant = str | bytes | int | float | complex | bool | None

UNKNOWN_NAME = "?"


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression gives, as far as the text tells.

    Attributes:
        name: a resolved name (`torchvision.models.ResNet18_Weights.DEFAULT`, `torch.load()`), or empty.
        constant: the literal; None is a literal too, see `is_constant`.
        is_constant: whether it is a literal.
        is_lambda: whether it is a lambda.
        items: the items of a tuple or list, or the values of a dict, that is written out; None for any other value.
        end: for the result of a call, where the call ends; the same as `Call.end`.
    """

    name: str = ""
    constant: Constant = None
    is_constant: bool = False
    is_lambda: bool = False
    items: tuple[Value, ...] | None = None
    end: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether anything at all is known of it."""
        return self.is_constant or self.is_lambda or self.items is not None or not self.name.startswith(UNKNOWN_NAME)

    def is_exactly(self, constant: Constant) -> bool:
        """Return whether it is this very literal; True is not 1."""
        return self.is_constant and type(self.constant) is type(constant) and self.constant == constant


UNKNOWN = Value(UNKNOWN_NAME)


@dataclass(frozen=True, slots=True)
class Context:
    """The context of a place in a module.

    Attributes:
        function: the qualified name of the function around it (`Predictor.load`); empty for what runs on import.
        decorators: the resolved names of the decorators of the functions around it.
        withs: the resolved names of what the `with` statements around it enter.
        guards: every resolved name in the tests of the `if`s and conditional expressions around it.
        tried: whether it is in a try that has an except, or in its handlers.
        runs: False under TYPE_CHECKING or under `if __name__ == "__main__"`.
    """

    function: str = ""
    decorators: tuple[str, ...] = ()
    withs: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    tried: bool = False
    runs: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    """A dotted name that begins with an import and is read, but not called: `Image.ANTIALIAS`.

    Attributes:
        name: resolved: `PIL.Image.ANTIALIAS`.
        written: as the module writes it.
        location: the whole of it.
        context: its context.
    """

    name: str
    written: str
    location: Location
    context: Context


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Attributes:
        name: what is called, resolved.
        written: what is called, as the module writes it; "" if that is not a dotted name in one piece.
        arguments: the positional arguments before the first `*`.
        keywords: the named arguments.
        is_open: whether `*` or `**` may give further arguments.
        location: the whole call, with an end if it is on one line.
        end: what tells it from every other call of the module.
        after_last: line and column right after the last argument, where `, name=value` can be inserted; None where
            there is no argument, or if that place is not certain.
        context: its context.
    """

    name: str
    written: str
    arguments: tuple[Value, ...]
    keywords: Mapping[str, Value]
    is_open: bool
    location: Location
    end: tuple[int, int]
    after_last: tuple[int, int] | None
    context: Context

    @property
    def method(self) -> str:
        """The last part of the name: `eval` of `torch.load().eval`; empty where a result itself is called."""
        return self.name.rpartition(".")[2] if not self.name.endswith((")", "]", UNKNOWN_NAME)) else ""

    @property
    def receiver(self) -> str:
        """What comes before the last dot: `torch.load()` of `torch.load().eval`."""
        return self.name.rpartition(".")[0] if self.method else self.name

    def argument(self, name: str, position: int | None = None) -> Value | None:
        """Return an argument by name or position; None if it is certainly not given, UNKNOWN if it may be."""
        if name in self.keywords:
            return self.keywords[name]
        if position is not None and position < len(self.arguments):
            return self.arguments[position]
        return UNKNOWN if self.is_open else None


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method.

    Attributes:
        location: its name.
        parameters: the names of its parameters, `self` included.
        decorators: their resolved names.
        returns: what its return statements give, None included if it returns nothing.
        mentions: every identifier in its body: names, attributes.
    """

    location: Location
    parameters: tuple[str, ...]
    decorators: tuple[str, ...]
    returns: tuple[Value, ...]
    mentions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Uses:
    """All of a module's calls and what it takes to follow them.

    Attributes:
        calls: in the order of lines.
        reads: in the order of lines.
        functions: by qualified name: `build`, `Predictor.load`, `outer.<locals>.inner`.
        classes: qualified name → the resolved names of its bases.
        values: what the names at the module's top level stand for, if exactly one thing is bound to them.
        mentions: every identifier in what runs on import.
        stars: the modules of which it imports `*`.
        patched: the dotted names of others that it assigns to, resolved: `PIL.Image.ANTIALIAS`.
    """

    calls: tuple[Call, ...] = ()
    reads: tuple[Read, ...] = ()
    functions: Mapping[str, Function] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    mentions: frozenset[str] = frozenset()
    stars: tuple[str, ...] = ()
    patched: frozenset[str] = frozenset()
