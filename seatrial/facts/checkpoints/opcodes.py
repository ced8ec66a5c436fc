"""Follows the instructions of a pickle on a stack of stand-ins: what it imports, calls, changes and builds.

No object of the pickle is ever made and no name in it is imported. What is kept is bounded: short strings, small
tuples, the keys of dicts, and stand-ins for tensors and objects; everything else is one opaque value.
"""

from __future__ import annotations

import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from lzma import LZMAError
from math import prod
from typing import Any

from seatrial.facts.checkpoints.instructions import UnknownError, instructions
from seatrial.facts.checkpoints.pickles import Global, PickleScan, Storage, Tensor
from seatrial.facts.checkpoints.stand_ins import (
    CALLING_FIRST,
    COPYREG,
    DTYPE,
    ENCODE,
    FILE_HEADS,
    GETTERS,
    HOOKS,
    ITEM_SIZES,
    JOBLIB_ARRAY,
    LOADERS,
    ORDERED,
    Dict,
    Made,
    as_global,
    attributes,
    bounded,
    dotted,
    encoded,
    fetched,
    has_arguments,
    item_size,
    rebuilt,
    tensor,
)  # fmt: skip
from seatrial.facts.checkpoints.streams import SkippingReader, TooLongError, Value

OPCODE_LIMIT = 400_000  # in one file, under a second; a state_dict has about 25 a tensor
KEY_LIMIT = 50_000  # of all dicts together
BITS_LIMIT = 128  # of an integer; a longer one is data
FOUND_LIMIT = 10_000  # of each kind of fact
HELD_LIMIT = 64  # values that are read again
NESTED_LIMIT = 8  # pickles inside pickles
UNPACK_LIMIT = 128 << 20  # bytes that come out of the compressed parts of one file
# What a pickle that Python would refuse raises: no such memo entry, an empty stack, an invalid argument.
BROKEN = (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError)


class Budget:
    """What may still be read of a file: opcodes, and bytes of its compressed parts."""

    def __init__(self, opcodes: int = OPCODE_LIMIT, unpacked: int = UNPACK_LIMIT) -> None:
        self.opcodes, self.unpacked = opcodes, unpacked


def scan(content: SkippingReader, budget: Budget) -> PickleScan:
    """Follow one pickle to its STOP, or as far as it can be read; the reader is then behind it."""
    found = PickleScan()
    _follow(content, budget, found, 0)
    return found


def _follow(content: SkippingReader, budget: Budget, found: PickleScan, depth: int) -> None:
    state = _State(found, content)
    steps, left = state.steps, budget.opcodes
    try:
        for name, argument in instructions(content):
            left -= 1
            if left < 0:
                found.too_long = True
                return
            steps[name](argument)
            if state.nested:
                state.nested = False
                if depth == NESTED_LIMIT:
                    found.too_long = True
                    return
                budget.opcodes = left
                complete = _nested(content, budget, found, depth)
                left = budget.opcodes
                if not complete:
                    return
        found.complete = True
    except TooLongError:
        found.too_long = True
    except (zlib.error, LZMAError, OSError):
        found.fault = "its packed bytes are damaged"
    except EOFError:
        found.fault = "its pickle ends before it is complete"
    except BROKEN as error:
        found.unknown = isinstance(error, UnknownError)
        if not found.unknown and _at_end(content):
            found.fault = "its pickle ends before it is complete"
    finally:
        budget.opcodes = max(left, 0)


def _nested(content: SkippingReader, budget: Budget, found: PickleScan, depth: int) -> bool:
    """Follow the pickle that stands in the middle of another; return whether it could be followed to its STOP."""
    inner = PickleScan()
    _follow(content, budget, inner, depth + 1)
    for mine, its in (
        (found.globals, inner.globals),
        (found.called, inner.called),
        (found.changed, inner.changed),
        (found.fetched, inner.fetched),
        (found.states, inner.states),
    ):
        mine.update(its)  # type: ignore[arg-type]
    found.loaded += inner.loaded
    found.held += inner.held
    found.computed = found.computed or inner.computed
    found.fault, found.too_long = inner.fault, inner.too_long
    return inner.complete


def _at_end(content: SkippingReader) -> bool:
    try:
        return content.ended()
    except (*BROKEN, EOFError, TooLongError, zlib.error, LZMAError, OSError):
        return False


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
        self._maps_names = True  # to those of Python 3, as at every protocol below 3
        self.steps: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys(("FRAME", "READONLY_BUFFER"), lambda _: None),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda n: self._stack.append(self._memo[int(n)])),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), self._text),
            **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), self._text),
            **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), self._integer),
            **dict.fromkeys(("NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT", "NEXT_BUFFER"), self._opaque),
            **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), self._bytes),
            **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET", "PERSID"), self._opaque),
            **dict.fromkeys(("EXT1", "EXT2", "EXT4"), self._extension),
            **dict.fromkeys(("LIST", "FROZENSET"), self._list),
            **dict.fromkeys(("APPENDS", "ADDITEMS"), self._extend),
            "APPEND": self._append,
            "BINPERSID": self._persistent,
            "BUILD": self._build,
            "DICT": self._dict,
            "DUP": lambda _: self._stack.append(self._stack[-1]),
            "EMPTY_DICT": lambda _: self._stack.append(Dict()),
            "EMPTY_TUPLE": lambda _: self._stack.append(()),
            "GLOBAL": self._global,
            "INST": self._inst,
            "MARK": self._mark,
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "NEWOBJ": lambda _: self._new(1),
            "NEWOBJ_EX": lambda _: self._new(2),
            "OBJ": self._obj,
            "POP": self._pop,
            "POP_MARK": self._drop_marked,
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
        self._maps_names = protocol < 3

    def _put(self, key: Any) -> None:
        self._memo[int(key)] = self._stack[-1]

    def _text(self, text: str | Value | None) -> None:
        self._stack.append(text)

    def _bytes(self, value: Value) -> None:
        self._stack.append(value)
        if len(self.found.held) < HELD_LIMIT and value.begins(FILE_HEADS):
            self.found.held.append(value)

    def _integer(self, value: int | None) -> None:
        self._stack.append(value if value is not None and value.bit_length() <= BITS_LIMIT else None)

    def _opaque(self, _: Any) -> None:
        self._stack.append(None)

    def _extension(self, _: Any) -> None:
        self.found.computed = True  # only the program knows what it registered with copyreg under the number
        self._stack.append(None)

    def _mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _pop_marked(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _drop_marked(self, _: Any) -> None:
        self._pop_marked()

    def _append(self, _: Any) -> None:
        self._stack.pop()
        self._change(self._stack[-1])

    def _extend(self, _: Any) -> None:
        self._pop_marked()
        self._change(self._stack[-1])

    def _change(self, target: Any) -> None:
        """Note that the attributes or items of something that is imported are set."""
        if isinstance(target, Global):
            self.found.changed[target.module, target.name] = None

    def _pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_marked()

    def _list(self, _: Any) -> None:
        self._pop_marked()
        self._stack.append(None)

    def _marked_tuple(self, _: Any) -> None:
        items = bounded(self._pop_marked())
        self._stack.append(items)

    def _tuple(self, length: int) -> None:
        items = tuple(self._stack[-length:])
        if len(items) < length:
            raise IndexError("the stack is too short")
        self._stack[-length:] = [items]

    def _dict(self, _: Any) -> None:
        items = self._pop_marked()
        self._stack.append(Dict())
        self._fill(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _set_items(self, _: Any) -> None:
        self._fill(self._pop_marked())

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        self._change(target)
        if isinstance(target, Dict):
            target.empty = target.empty and not items
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str) and (self._keys > 0 or key in HOOKS):
                    self._keys -= 1
                    target.items[key] = value

    def _global(self, argument: tuple[str | None, str | None]) -> None:
        self._stack.append(self._named(*argument))

    def _named(self, module: Any, name: Any) -> Global | None:
        if not isinstance(module, str) or not isinstance(name, str):
            self.found.computed = True
            return None
        if self._maps_names:  # then a name of Python 2 is written, such as `__builtin__`
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        self.found.globals[module, name] = None
        if len(self.found.globals) > FOUND_LIMIT:
            self.found.too_long = True  # what comes after a flood of names must not pass for read
            raise OverflowError("too many names")
        return Global(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._named(module, name))

    def _inst(self, argument: tuple[str | None, str | None]) -> None:
        arguments = tuple(self._pop_marked())
        self._global(argument)
        self._stack.append(self._call(self._stack.pop(), arguments))

    def _obj(self, _: Any) -> None:
        maker, *arguments = self._pop_marked()
        self._stack.append(self._call(maker, tuple(arguments)))

    def _new(self, count: int) -> None:
        arguments, self._stack[-count:] = self._stack[-count:], []
        maker = self._stack.pop()
        self.found.acts = True
        if any(has_arguments(argument) for argument in arguments):
            self._calls(maker)
        self._stack.append(Dict(dotted(maker)) if maker == ORDERED else Made(as_global(maker)))

    def _reduce(self, _: Any) -> None:
        arguments, maker = self._stack.pop(), self._stack.pop()
        self._stack.append(self._call(maker, arguments if type(arguments) is tuple else (None,)))

    def _calls(self, maker: Any) -> None:
        """Note what is called."""
        if isinstance(maker, Global):
            self.found.called[maker.module, maker.name] = None
        else:
            self.found.computed = True

    def _call(self, maker: Any, arguments: tuple[Any, ...]) -> Any:
        found = self.found
        found.acts = True
        if isinstance(maker, Made) and len(found.fetched) < FOUND_LIMIT and (got := fetched(maker, called=True)):
            found.fetched[got] = None
            return Made(None)
        if maker in COPYREG and arguments:
            for each in rebuilt(maker, arguments):
                self._calls(each)
            return Made(as_global(arguments[0]))
        self._calls(maker)
        if not isinstance(maker, Global):
            return Made(None)
        if maker in CALLING_FIRST:
            self._calls(arguments[0] if arguments else None)
        if maker in LOADERS:
            self._load(arguments)
        if maker == ORDERED:
            return Dict(dotted(maker))
        if maker == ENCODE:
            return encoded(arguments)
        if maker.module.startswith("torch._"):
            return tensor(maker, arguments)
        made = Made(maker, arguments if maker in GETTERS or maker == DTYPE else ())
        if maker in GETTERS and len(found.fetched) < FOUND_LIMIT and (got := fetched(made, called=False)):
            found.fetched[got] = None
        return made

    def _load(self, arguments: tuple[Any, ...]) -> None:
        """Note the bytes that a function loads, which are read afterwards."""
        value = arguments[0] if arguments and isinstance(arguments[0], Value) else None
        if len(self.found.loaded) < HELD_LIMIT:
            self.found.loaded.append(value)
        elif self.found.loaded[-1] is not None:
            self.found.loaded.append(None)

    def _persistent(self, _: Any) -> None:
        # torch.serialization: ("storage", type, key, location, elements), and a view of it in legacy files
        value = self._stack.pop()
        storage: Any = None
        if type(value) is tuple and len(value) > 1 and value[0] == "module":
            storage = as_global(value[1])  # torch.serialization._legacy_save: a class, with the source of its module
        elif type(value) is tuple and len(value) > 4 and value[0] == "storage":
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
        self._change(target)
        parts = state if type(state) is tuple else (state,)
        for part in parts:
            for hook in HOOKS:
                if isinstance(part, Dict) and hook in part.items:
                    self._calls(part.items[hook])
        if not isinstance(target, Made):
            return
        names = frozenset(name for part in parts if isinstance(part, Dict) for name in attributes(part))
        target.state = state
        if target.maker and names and len(self.found.states) < FOUND_LIMIT:
            self.found.states[dotted(target.maker), names] = None
        if target.maker == JOBLIB_ARRAY and isinstance(state, Dict):
            self._step_over_array(state.items)

    def _step_over_array(self, array: dict[str, Any]) -> None:
        """Skip the data that joblib writes after the wrapper of an array: raw, or a pickle of its own."""
        shape, item = array["shape"], item_size(array["dtype"])
        if item is None:
            self.nested = True
            return
        if array.get("numpy_array_alignment_bytes"):
            padding = self._content.read(1)
            self._content.read(padding[0])
        size = prod(n for n in shape if isinstance(n, int)) * item
        if size < 0 or self._content.skip(size) < size:
            raise EOFError("the array is cut off")

    def _stop(self, _: Any) -> None:
        top, found = self._stack.pop(), self.found
        if isinstance(top, Dict):
            found.top = top.kind
            for name, inner in {"": top, **top.items}.items():
                if isinstance(inner, Dict):
                    tensors = {key: value for key, value in inner.items.items() if isinstance(value, Tensor)}
                    if tensors:
                        found.keys[name] = tensors
        elif isinstance(top, Made):
            found.top = dotted(top.maker) if top.maker else ""
        elif isinstance(top, Tensor):
            found.top = "torch.Tensor"
        elif isinstance(top, int):
            found.integer = top
