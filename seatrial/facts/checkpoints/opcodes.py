"""Pickle opcodes as facts: what a pickle imports, calls and builds, followed on a stack of stand-ins.

No object of the pickle is ever made and no name in it is imported. What is kept is bounded: short strings, small
tuples, the keys of dicts, and stand-ins for tensors and objects; everything else is one opaque value.
"""

from __future__ import annotations

import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from lzma import LZMAError
from math import prod
from pickletools import genops
from typing import IO, Any, cast

from seatrial.facts.checkpoints.streams import SkippingReader

OPCODE_LIMIT = 400_000  # in one file, under a second; a state_dict has about 25 a tensor
TEXT_LIMIT = 512  # characters; a longer string is no name
KEY_LIMIT = 50_000  # of all dicts together
TUPLE_LIMIT = 12  # a shape or the arguments of a rebuild function; a longer tuple is data
BITS_LIMIT = 128  # of an integer; a longer one is data
FOUND_LIMIT = 10_000  # of each kind of fact
UNKNOWN = "?"  # the name of an attribute that is no constant
NESTED_LIMIT = 8  # pickles inside pickles
# How a pickle that Python would refuse shows itself: no such memo entry, an empty stack, an argument that is none.
BROKEN = (ValueError, TypeError, IndexError, KeyError, OverflowError, EOFError)

ITEM_SIZES = {  # bytes an element; torch.storage's legacy storage types and their dtypes
    "BFloat16Storage": ("bfloat16", 2),
    "BoolStorage": ("bool", 1),
    "ByteStorage": ("uint8", 1),
    "CharStorage": ("int8", 1),
    "ComplexDoubleStorage": ("complex128", 16),
    "ComplexFloatStorage": ("complex64", 8),
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "IntStorage": ("int32", 4),
    "LongStorage": ("int64", 8),
    "ShortStorage": ("int16", 2),
    "UntypedStorage": ("bytes", 1),
}


@dataclass(frozen=True, slots=True)
class Global:
    """What GLOBAL and STACK_GLOBAL name: a module and a name in it."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: its dtype as torch names it, "" where it is not known, and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """The bytes of tensors: the key of their record, where they lived, and how many they are (None: unknown)."""

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
        protocol: the highest that it says; 0 where it does not say.
        globals: (module, name) as today's Python calls them, in order, each once.
        computed: whether it imports a name that is no constant of the pickle.
        fetched: the attributes that it gets.
        acts: whether it calls or instantiates anything.
        storages: its torch storages by key.
        states: class → the attributes that objects of it have, one entry a distinct set.
        keys: what its top object, or a dict in that, maps to tensors: "" or the key of the inner dict → name → tensor.
        top: what the top object is, such as `dict` or `torchvision.models.resnet.ResNet`; "" where it is neither dict,
            tensor nor an object of a class.
        integer: the value of a pickle that is nothing but an integer.
        complete: whether it was followed to its STOP.
        fault: why it cannot be what was written: it ends before its STOP, or does not unpack; "" else.
        too_long: whether it was left where it has more opcodes, or nested pickles, than are followed.
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


class Budget:
    """How many opcodes may still be followed."""

    def __init__(self, opcodes: int = OPCODE_LIMIT) -> None:
        self.opcodes = opcodes


def scan(content: SkippingReader, budget: Budget) -> PickleScan:
    """Follow one pickle to its STOP, or to where it cannot be read; the reader stands behind it then."""
    found = PickleScan()
    _follow(content, budget, found, 0)
    return found


def _follow(content: SkippingReader, budget: Budget, found: PickleScan, depth: int) -> None:
    state = _State(found, content)
    steps, left = state.steps, budget.opcodes
    try:
        for opcode, argument, _ in genops(cast("IO[bytes]", content)):
            left -= 1
            if left < 0:
                found.too_long = True
                return
            steps[opcode.name](argument)
            if state.nested:
                state.nested = False
                if depth == NESTED_LIMIT:
                    found.too_long = True
                    return
                budget.opcodes = left
                inner = PickleScan(globals=found.globals, fetched=found.fetched, states=found.states)
                _follow(content, budget, inner, depth + 1)
                left = budget.opcodes
                found.computed = found.computed or inner.computed
                found.fault, found.too_long = inner.fault, inner.too_long
                if not inner.complete:
                    return
        found.complete = True
    except (zlib.error, LZMAError, OSError):
        found.fault = "its packed bytes are damaged"
    except BROKEN as error:
        if isinstance(error, ValueError | EOFError) and "unknown" not in str(error) and _at_end(content):
            found.fault = "its pickle ends before it is complete"
    finally:
        budget.opcodes = max(left, 0)


def _at_end(content: SkippingReader) -> bool:
    try:
        return content.ended()
    except (*BROKEN, zlib.error, LZMAError, OSError):
        return False


class _Dict:
    """A dict that the pickle fills: the values of its text keys."""

    __slots__ = ("items", "kind")

    def __init__(self, kind: str = "dict") -> None:
        self.kind = kind
        self.items: dict[str, Any] = {}


class _Made:
    """An object of a class, or what a function gave, with the arguments where they matter and the state."""

    __slots__ = ("arguments", "maker", "state")

    def __init__(self, maker: Global | None, arguments: tuple[Any, ...] = ()) -> None:
        self.maker, self.arguments = maker, arguments
        self.state: Any = None


_ORDERED = Global("collections", "OrderedDict")
_PARAMETERS = {"_rebuild_parameter", "_rebuild_parameter_with_state"}
_TENSORS = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"}
_GETTERS = {Global("builtins", "getattr"), Global("operator", "attrgetter"), Global("operator", "methodcaller")}
_COPYREG = {Global("copyreg", "_reconstructor"), Global("copyreg", "__newobj__"), Global("copyreg", "__newobj_ex__")}
_JOBLIB_ARRAY = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_DTYPE = Global("numpy", "dtype")


class _State:
    """The stack, the marks and the memo of one pickle; `steps` has what each opcode does with its argument."""

    def __init__(self, found: PickleScan, content: SkippingReader) -> None:
        self.found = found
        self.nested = False  # the next bytes are a pickle of their own
        self._content = content
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._keys = KEY_LIMIT
        self.steps: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys(("FRAME", "READONLY_BUFFER"), lambda _: None),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda n: self._stack.append(self._memo[int(n)])),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), self._text),
            **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), self._text),
            **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), self._integer),
            **dict.fromkeys(("NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT", "NEXT_BUFFER"), self._opaque),
            **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), self._opaque),
            **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET", "PERSID"), self._opaque),
            **dict.fromkeys(("EXT1", "EXT2", "EXT4"), self._extension),
            **dict.fromkeys(("LIST", "FROZENSET"), self._list),
            **dict.fromkeys(("APPENDS", "ADDITEMS", "POP_MARK"), self._drop_marked),
            "APPEND": self._drop,
            "BINPERSID": self._persistent,
            "BUILD": self._build,
            "DICT": self._dict,
            "DUP": lambda _: self._stack.append(self._stack[-1]),
            "EMPTY_DICT": lambda _: self._stack.append(_Dict()),
            "EMPTY_TUPLE": lambda _: self._stack.append(()),
            "GLOBAL": self._global,
            "INST": self._inst,
            "MARK": self._mark,
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "NEWOBJ": lambda _: self._new(1),
            "NEWOBJ_EX": lambda _: self._new(2),
            "OBJ": self._obj,
            "POP": self._pop,
            "PROTO": self._protocol,
            "REDUCE": self._reduce,
            "SETITEM": self._set_item,
            "SETITEMS": self._set_items,
            "STACK_GLOBAL": self._stack_global,
            "STOP": self._stop,
            "TUPLE": self._marked_tuple,
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
        }

    def _protocol(self, protocol: int) -> None:
        self.found.protocol = max(self.found.protocol, protocol)

    def _put(self, key: Any) -> None:
        self._memo[int(key)] = self._stack[-1]

    def _text(self, text: str) -> None:
        self._stack.append(text if len(text) <= TEXT_LIMIT else None)

    def _integer(self, value: int) -> None:
        self._stack.append(value if value.bit_length() <= BITS_LIMIT else None)

    def _opaque(self, _: Any) -> None:
        self._stack.append(None)

    def _extension(self, _: Any) -> None:
        raise IndexError("no program registers extensions of copyreg")

    def _mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _pop_marked(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _drop(self, _: Any) -> None:
        self._stack.pop()

    def _drop_marked(self, _: Any) -> None:
        self._pop_marked()

    def _pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_marked()

    def _list(self, _: Any) -> None:
        self._pop_marked()
        self._stack.append(None)

    def _marked_tuple(self, _: Any) -> None:
        items = _bounded(self._pop_marked())
        self._stack.append(items)

    def _tuple(self, length: int) -> None:
        items = tuple(self._stack[-length:])
        if len(items) < length:
            raise IndexError("the stack is too short")
        self._stack[-length:] = [items]

    def _dict(self, _: Any) -> None:
        items = self._pop_marked()
        self._stack.append(_Dict())
        self._fill(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _set_items(self, _: Any) -> None:
        self._fill(self._pop_marked())

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, _Dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str) and self._keys > 0:
                    self._keys -= 1
                    target.items[key] = value

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(self._named(module, name))

    def _named(self, module: str, name: str) -> Global:
        if self.found.protocol < 3:  # then a name of Python 2 is written, such as `__builtin__`
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        self.found.globals[module, name] = None
        if len(self.found.globals) > FOUND_LIMIT:
            self.found.too_long = True  # what comes after a flood of names must not pass for read
            raise OverflowError("too many names")
        return Global(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if isinstance(name, str) and isinstance(module, str):
            self._stack.append(self._named(module, name))
        else:
            self.found.computed = True
            self._stack.append(None)

    def _inst(self, argument: str) -> None:
        arguments = tuple(self._pop_marked())
        self._global(argument)
        self._stack.append(self._call(self._stack.pop(), arguments))

    def _obj(self, _: Any) -> None:
        maker, *arguments = self._pop_marked()
        self._stack.append(self._call(maker, tuple(arguments)))

    def _new(self, arguments: int) -> None:
        del self._stack[-arguments:]
        maker = self._stack.pop()
        self.found.acts = True
        self._stack.append(_Dict(_dotted(maker)) if maker == _ORDERED else _Made(_as_global(maker)))

    def _reduce(self, _: Any) -> None:
        arguments, maker = self._stack.pop(), self._stack.pop()
        self._stack.append(self._call(maker, arguments if type(arguments) is tuple else ()))

    def _call(self, maker: Any, arguments: tuple[Any, ...]) -> Any:
        found = self.found
        found.acts = True
        if not isinstance(maker, Global):
            if isinstance(maker, _Made) and len(found.fetched) < FOUND_LIMIT and (got := _fetched(maker, called=True)):
                found.fetched[got] = None
            return _Made(None)
        if maker == _ORDERED:
            return _Dict(_dotted(maker))
        if maker.module.startswith("torch._"):
            return _tensor(maker, arguments)
        if maker in _COPYREG and arguments:
            return _Made(_as_global(arguments[0]))
        made = _Made(maker, arguments if maker in _GETTERS or maker == _DTYPE else ())
        if maker in _GETTERS and len(found.fetched) < FOUND_LIMIT and (got := _fetched(made, called=False)):
            found.fetched[got] = None
        return made

    def _persistent(self, _: Any) -> None:
        # torch.serialization: ("storage", type, key, location, elements), and a view of it in legacy files
        value = self._stack.pop()
        storage = None
        if type(value) is tuple and len(value) > 4 and value[0] == "storage":
            _, kind, key, location, elements = value[:5]
            dtype, size = ITEM_SIZES.get(kind.name, ("", 0)) if isinstance(kind, Global) else ("", 0)
            known = size and isinstance(elements, int) and elements >= 0
            storage = Storage(dtype, str(key), str(location or ""), elements * size if known else None)
            if len(self.found.storages) < KEY_LIMIT:
                self.found.storages[storage.key] = storage
        self._stack.append(storage)

    def _build(self, _: Any) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        self.found.acts = True
        if not isinstance(target, _Made):
            return
        parts = state if type(state) is tuple else (state,)
        attributes = frozenset(name for part in parts if isinstance(part, _Dict) for name in _attributes(part))
        target.state = state
        if target.maker and attributes and len(self.found.states) < FOUND_LIMIT:
            self.found.states[_dotted(target.maker), attributes] = None
        if target.maker == _JOBLIB_ARRAY and isinstance(state, _Dict):
            self._step_over_array(state.items)

    def _step_over_array(self, array: dict[str, Any]) -> None:
        """Go behind the data that joblib writes after the wrapper of an array: raw, or a pickle of its own."""
        shape, item = array["shape"], _item_size(array["dtype"])
        if item is None:
            self.nested = True
            return
        if array.get("numpy_array_alignment_bytes"):
            padding = self._content.read(1)
            self._content.read(padding[0])
        size = prod(n for n in shape if isinstance(n, int)) * item
        if size < 0 or len(self._content.read(size)) < size:
            raise EOFError("the array is cut off")

    def _stop(self, _: Any) -> None:
        top, found = self._stack.pop(), self.found
        if isinstance(top, _Dict):
            found.top = top.kind
            for name, inner in {"": top, **top.items}.items():
                if isinstance(inner, _Dict):
                    tensors = {key: value for key, value in inner.items.items() if isinstance(value, Tensor)}
                    if tensors:
                        found.keys[name] = tensors
        elif isinstance(top, _Made):
            found.top = _dotted(top.maker) if top.maker else ""
        elif isinstance(top, Tensor):
            found.top = "torch.Tensor"
        elif isinstance(top, int):
            found.integer = top


def _attributes(state: _Dict) -> Iterator[str]:
    """Give the names of an object's attributes; a Module's parameters, buffers and modules lie one dict deeper."""
    yield from state.items
    for name in ("_parameters", "_buffers", "_modules"):
        if isinstance(inner := state.items.get(name), _Dict):
            yield from inner.items


def _bounded(items: list[Any]) -> tuple[Any, ...] | None:
    return tuple(items) if len(items) <= TUPLE_LIMIT else None


def _as_global(value: Any) -> Global | None:
    return value if isinstance(value, Global) else None


def _dotted(name: Any) -> str:
    return f"{name.module}.{name.name}" if isinstance(name, Global) else ""


def _tensor(maker: Global, arguments: tuple[Any, ...]) -> Any:
    """Give the tensor that one of torch's rebuild functions makes of its arguments."""
    if maker == Global("torch._tensor", "_rebuild_from_type_v2") and len(arguments) > 2:
        function, _, inner = arguments[:3]
        nested = isinstance(function, Global) and function.module == "torch._utils" and type(inner) is tuple
        maker, arguments = (function, inner) if nested else (maker, arguments)
    if maker.name in _PARAMETERS and arguments:
        return arguments[0] if isinstance(arguments[0], Tensor) else _Made(maker)
    if maker.name in _TENSORS and len(arguments) > 2 and type(arguments[2]) is tuple:
        storage, last = arguments[0], arguments[-1]
        by_argument = last.name if maker.name == "_rebuild_tensor_v3" and isinstance(last, Global) else ""
        dtype = by_argument or (storage.dtype if isinstance(storage, Storage) else "")
        return Tensor(dtype, tuple(n for n in arguments[2] if isinstance(n, int)))
    return _Made(maker)


def _fetched(made: _Made, *, called: bool) -> Fetched | None:
    """Give the attribute that a call of getattr, attrgetter or methodcaller is about."""
    if made.maker not in _GETTERS or not made.arguments:
        return None
    if made.maker.name != "getattr":
        names = [name for name in made.arguments if isinstance(name, str)]
        return Fetched(None, names[0] if names else UNKNOWN, called=called)
    target, *rest = made.arguments
    return Fetched(_as_global(target), rest[0] if rest and isinstance(rest[0], str) else UNKNOWN, called=called)


def _item_size(dtype: Any) -> int | None:
    """Give the bytes of an element of a numpy dtype; None where elements are Python objects.

    Raises ValueError where it cannot be told.
    """
    if not isinstance(dtype, _Made) or dtype.maker != _DTYPE or not dtype.arguments:
        raise ValueError("no dtype of numpy")
    name = dtype.arguments[0]
    if not isinstance(name, str) or name[:1] not in "biufcmMUSVO" or not name[1:].isdecimal():
        raise ValueError("a dtype of fields")
    if name[0] == "O":
        return None
    # numpy.dtype.__reduce__: fields, if any, are in the state, and may hold objects
    fields = dtype.state[4] if type(dtype.state) is tuple and len(dtype.state) > 4 else None
    if fields is not None:
        raise ValueError("a dtype of fields")
    return int(name[1:]) * (4 if name[0] == "U" else 1)
