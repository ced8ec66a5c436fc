"""Stand-ins for the objects of a pickle, and what torch's, numpy's and Python's own functions make of them.

No object of the pickle is ever created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.facts.checkpoints.pickles import Fetched, Global, Storage, Tensor
from seatrial.facts.checkpoints.streams import Value

TUPLE_LIMIT = 16  # a shape or the arguments of a rebuild function; a longer tuple is data
UNKNOWN = "?"  # the name of an attribute that is not a constant

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


class Dict:
    """A dict that the pickle fills: the values of its text keys."""

    __slots__ = ("empty", "items", "kind")

    def __init__(self, kind: str = "dict") -> None:
        self.kind = kind
        self.empty = True
        self.items: dict[str, Any] = {}


class Made:
    """An object of a class, or what a function returned, with its state and the arguments that matter."""

    __slots__ = ("arguments", "maker", "state")

    def __init__(self, maker: Global | None, arguments: tuple[Any, ...] = ()) -> None:
        self.maker, self.arguments = maker, arguments
        self.state: Any = None


ORDERED = Global("collections", "OrderedDict")
_PARAMETERS = {"_rebuild_parameter", "_rebuild_parameter_with_state"}
_TENSORS = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"}
GETTERS = {Global("builtins", "getattr"), Global("operator", "attrgetter"), Global("operator", "methodcaller")}
COPYREG = {Global("copyreg", "_reconstructor"), Global("copyreg", "__newobj__"), Global("copyreg", "__newobj_ex__")}
PLAIN_BASES = (
    "object",
    "dict",
    "list",
    "set",
    "frozenset",
    "tuple",
    "str",
    "bytes",
    "bytearray",
    "int",
    "float",
    "complex",
)
ENCODE = Global("_codecs", "encode")
# Functions that load the bytes that they are given.
LOADERS = {
    Global("torch.storage", "_load_from_bytes"),
    *(
        Global(module, "loads")
        for module in (
            "pickle",
            "_pickle",
            "dill",
            "dill._dill",
            "cloudpickle",
            "cloudpickle.cloudpickle",
            "joblib",
            "marshal",
        )
    ),
}
# Functions that call their first argument, or make an object of it with arguments of the pickle.
CALLING_FIRST = {
    Global("torch._tensor", "_rebuild_from_type_v2"),
    Global("pandas.core.indexes.base", "_new_Index"),
}
# What the unpickler itself looks up in the attributes of an object and then calls.
HOOKS = ("__setstate__", "append", "extend", "add")
# The beginnings of pickles, archives and compressed files.
FILE_HEADS = (
    *(bytes((0x80, n)) for n in range(2, 6)),
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ",
    b"\x93NUMPY",
)
JOBLIB_ARRAY = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
DTYPE = Global("numpy", "dtype")


def attributes(state: Dict) -> Iterator[str]:
    """Return the names of an object's attributes; a Module keeps parameters, buffers and modules in inner dicts."""
    yield from state.items
    for name in ("_parameters", "_buffers", "_modules"):
        if isinstance(inner := state.items.get(name), Dict):
            yield from inner.items


def has_arguments(arguments: Any) -> bool:
    """Return whether the arguments for a class are any but none at all."""
    return not (type(arguments) is tuple and not arguments) and not (isinstance(arguments, Dict) and arguments.empty)


def rebuilt(maker: Global, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what one of copyreg's functions calls with arguments, or with a state in another class."""
    if maker.name == "__newobj__":
        return arguments[:1] if len(arguments) > 1 else ()
    if maker.name == "__newobj_ex__":
        return arguments[:1] if any(has_arguments(a) for a in arguments[1:]) else ()
    base = arguments[1] if len(arguments) > 1 else None
    plain = isinstance(base, Global) and base.module == "builtins" and base.name in PLAIN_BASES
    return () if plain else (base,)


def bounded(items: list[Any]) -> tuple[Any, ...] | None:
    """Return items as a tuple; None for more than a shape or arguments have, which is data."""
    return tuple(items) if len(items) <= TUPLE_LIMIT else None


def as_global(value: Any) -> Global | None:
    """Return a value if it is a global, else None."""
    return value if isinstance(value, Global) else None


def dotted(name: Any) -> str:
    """Return the dotted name of a global; "" for any other value."""
    return f"{name.module}.{name.name}" if isinstance(name, Global) else ""


def tensor(maker: Global, arguments: tuple[Any, ...]) -> Any:
    """Return the tensor that one of torch's rebuild functions makes from its arguments."""
    if maker == Global("torch._tensor", "_rebuild_from_type_v2") and len(arguments) > 2:
        function, _, inner = arguments[:3]
        nested = isinstance(function, Global) and function.module == "torch._utils" and type(inner) is tuple
        maker, arguments = (function, inner) if nested else (maker, arguments)
    if maker.name in _PARAMETERS and arguments:
        return arguments[0] if isinstance(arguments[0], Tensor) else Made(maker)
    if maker.name in _TENSORS and len(arguments) > 2 and type(arguments[2]) is tuple:
        storage, last = arguments[0], arguments[-1]
        by_argument = last.name if maker.name == "_rebuild_tensor_v3" and isinstance(last, Global) else ""
        dtype = by_argument or (storage.dtype if isinstance(storage, Storage) else "")
        return Tensor(dtype, tuple(n for n in arguments[2] if isinstance(n, int)))
    return Made(maker)


def encoded(arguments: tuple[Any, ...]) -> Value | None:
    """Return the bytes that `_codecs.encode` makes of a text: so protocols 0 to 2 write bytes."""
    match arguments:
        case (str(text), *_):
            short = text.encode("latin-1", "replace")
            return Value(len(short), short)
        case (Value(is_text=True) as value, *_):
            return value
    return None


def fetched(made: Made, *, called: bool) -> Fetched | None:
    """Return the attribute that a call of getattr, attrgetter or methodcaller is about."""
    if made.maker not in GETTERS or not made.arguments:
        return None
    if made.maker.name != "getattr":
        names = [name for name in made.arguments if isinstance(name, str)]
        return Fetched(None, names[0] if names else UNKNOWN, called=called)
    target, *rest = made.arguments
    of = target.maker if isinstance(target, Made) else as_global(target)
    return Fetched(of, rest[0] if rest and isinstance(rest[0], str) else UNKNOWN, called=called)


def item_size(dtype: Any) -> int | None:
    """Return the size in bytes of an element of a numpy dtype; None if elements are Python objects.

    Raises:
        ValueError: the size cannot be determined.
    """
    if not isinstance(dtype, Made) or dtype.maker != DTYPE or not dtype.arguments:
        raise ValueError("no dtype of numpy")
    name = dtype.arguments[0]
    if not isinstance(name, str) or name[:1] not in "biufcmMUSVO" or not name[1:].isdecimal():
        raise ValueError("no dtype of numpy")
    # numpy.dtype.__reduce__: with fields the state ends with size, alignment and flags; NPY_ITEM_REFCOUNT means objects
    fields = dtype.state if type(dtype.state) is tuple and len(dtype.state) > 7 and dtype.state[4] is not None else None
    if fields is not None and not isinstance(fields[7], int):
        raise ValueError("a dtype of fields")
    if name[0] == "O" or (fields is not None and fields[7] & 1):
        return None
    return int(name[1:]) * (4 if name[0] == "U" else 1)
