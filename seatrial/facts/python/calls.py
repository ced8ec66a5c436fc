"""What a module calls and reads, as facts: resolved names, arguments, and the context of each.

A name is resolved as far as the module alone tells: aliases of imports, names bound once, attributes of `self` that
one assignment binds. `()` in a name stands for the result of a call and `[]` for an item, so `torch.load().eval` is
the method of what torch.load returned. `?` stands for anything unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from seatrial.facts.python.paths import is_method_of_path

if TYPE_CHECKING:
    import ast

    from seatrial.facts.python.notes import Block
    from seatrial.facts.python.paths import PathText
    from seatrial.facts.python.resolving import Resolver
    from seatrial.findings import Location

Constant = str | bytes | int | float | complex | bool | None

UNKNOWN_NAME = "?"
# What mentions hold besides identifiers: a slice that turns an axis round, the number 255, and what is done with it.
REVERSED, BYTE, PER_BYTE, TIMES_BYTE = "[::-1]", "255", "/255", "*255"
MARKS = (REVERSED, BYTE, PER_BYTE, TIMES_BYTE)


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression gives, as far as the text tells.

    Attributes:
        name: a resolved name (`torchvision.models.ResNet18_Weights.DEFAULT`, `torch.load()`), or empty.
        constant: the literal; None is a literal too, see `is_constant`.
        is_constant: whether it is a literal.
        is_lambda: whether it is a lambda.
        items: the items of a tuple or list, or the values of a dict, that is written out; None for any other value.
        path: the path that the expression composes; None if it composes none.
        end: for the result of a call, where the call ends; the same as `Call.end`.
    """

    name: str = ""
    constant: Constant = None
    is_constant: bool = False
    is_lambda: bool = False
    items: tuple[Value, ...] | None = None
    path: PathText | None = None
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

    @property
    def tries(self) -> bool:
        """Whether a try, hasattr or a comparison of versions guards the place."""
        return self.tried or any("hasattr" in name or "version" in name.lower() for name in self.guards)


class _InBlock:
    """Where a read or a call stands: in a block of a module."""

    _block: Block
    _resolver: Resolver

    @property
    def context(self) -> Context:
        """Its context."""
        return self._resolver.context(self._block)

    @property
    def function(self) -> str:
        """The qualified name of the function around it, as in its context."""
        return self._block.scope.runs_in().qualname

    @property
    def runs(self) -> bool:
        """Whether it is executed when served, as in its context."""
        return not self._block.typing_only


class Read(_InBlock):
    """A dotted name that begins with an import and is read, but not called: `Image.ANTIALIAS`.

    As with a call, all but the name is resolved when a rule asks for it.

    Attributes:
        name: resolved: `PIL.Image.ANTIALIAS`.
    """

    def __init__(self, name: str, node: ast.Attribute, block: Block, resolver: Resolver) -> None:
        self.name = name
        self._node = node
        self._block = block
        self._resolver = resolver

    def named(self, name: str) -> Read:
        """Return the same place under another name."""
        return Read(name, self._node, self._block, self._resolver)

    @property
    def written(self) -> str:
        """The name as the module writes it; "" if it is not in one piece."""
        return self._resolver.written(self._node)

    @property
    def location(self) -> Location:
        """The whole of it."""
        return self._resolver.location(self._node)


def method_of(name: str) -> str:
    """Return the last part of a name: `eval` of `torch.load().eval`; "" for a result or an item."""
    return name.rpartition(".")[2] if not name.endswith((")", "]", UNKNOWN_NAME)) else ""


class Call(_InBlock):
    """A call.

    Its name is resolved when the module is read. The rest is resolved when a rule asks for it, because rules look at
    the names of all calls, and closer at few.

    Attributes:
        name: what is called, resolved.
        method: the last part of the name: `eval` of `torch.load().eval`; empty where a result itself is called.
    """

    def __init__(self, name: str, node: ast.Call, block: Block, resolver: Resolver) -> None:
        self.name = name
        self.method = method_of(name)
        self._node = node
        self._block = block
        self._resolver = resolver

    def named(self, name: str) -> Call:
        """Return the same call under another name."""
        return Call(name, self._node, self._block, self._resolver)

    @cached_property
    def written(self) -> str:
        """What is called, as the module writes it; "" if that is not a dotted name in one piece."""
        return self._resolver.written(self._node.func)

    @cached_property
    def arguments(self) -> tuple[Value, ...]:
        """The positional arguments before the first `*`."""
        return self._resolver.arguments(self._node, self._block)

    @cached_property
    def keywords(self) -> Mapping[str, Value]:
        """The named arguments."""
        return self._resolver.keywords(self._node, self._block)

    def values(self, *, literals: bool) -> Iterator[Value]:
        """Yield all arguments, the positional ones first; with `literals=False` those that may have a name or a path.

        Most arguments are literals, and most of the others nobody asks for.
        """
        if literals:
            yield from (*self.arguments, *self.keywords.values())
        else:
            yield from self._resolver.values(self._node, self._block)

    def texts(self) -> Iterator[str]:
        """Yield the arguments that are texts, or names of one text."""
        return self._resolver.texts(self._node, self._block)

    @property
    def is_open(self) -> bool:
        """Whether `*` or `**` may give further arguments."""
        return self._resolver.is_open(self._node)

    @cached_property
    def location(self) -> Location:
        """The whole call, with an end if it is on one line."""
        return self._resolver.location(self._node)

    @property
    def end(self) -> tuple[int, int]:
        """What tells it from every other call of the module: its end, though two may begin at one place."""
        return self._node.end_lineno or 0, self._node.end_col_offset or 0

    @property
    def on(self) -> PathText | None:
        """The path whose method is called; None if that is no path."""
        func = self._node.func
        return self._resolver.path(func.value, self._block) if is_method_of_path(func) else None

    @property
    def after_last(self) -> tuple[int, int] | None:
        """Line and column right after the last argument, where `, name=value` can be inserted.

        None where there is no argument, or if that place is not certain.
        """
        return self._resolver.after_last(self._node)

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
        parameters: the names of its parameters that can be given by position, `self` included.
        annotations: what these are annotated with, as written; "" for one without, or with more than a name.
        required: how many of them have no default.
        keywords: the names of further parameters without a default, which must be given by name.
        is_open: whether it takes any number of arguments by position.
        is_async: whether it is a coroutine.
        decorators: their resolved names.
        returns: what its return statements give, None included if it returns nothing.
        mentions: every identifier in its body: names, attributes; and the `MARKS` in it.
    """

    location: Location
    parameters: tuple[str, ...]
    decorators: tuple[str, ...]
    returns: tuple[Value, ...]
    mentions: frozenset[str]
    annotations: tuple[str, ...] = ()
    required: int = 0
    keywords: tuple[str, ...] = ()
    is_open: bool = False
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class Uses:
    """All of a module's calls and what it takes to follow them.

    Attributes:
        calls: in the order of lines.
        reads: in the order of lines.
        functions: by qualified name: `build`, `Predictor.load`, `outer.<locals>.inner`.
        classes: qualified name → the resolved names of its bases.
        attributes: qualified name of a class → every attribute that its methods assign to `self`.
        members: qualified name of a class → the names that its body binds.
        values: what the names at the module's top level stand for, if exactly one thing is bound to them.
        mentions: every identifier in what runs on import.
        stars: the modules of which it imports `*`.
        patched: the dotted names of others that it assigns to, resolved: `PIL.Image.ANTIALIAS`.
    """

    calls: tuple[Call, ...] = ()
    reads: tuple[Read, ...] = ()
    functions: Mapping[str, Function] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    mentions: frozenset[str] = frozenset()
    stars: tuple[str, ...] = ()
    patched: frozenset[str] = frozenset()
