"""Family 8, dangerous pickles: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Twin
from tests.projects.checkpoints import artifacts, naming


def _dangerous() -> Iterator[Twin]:
    plain = naming(("collections", "OrderedDict"))
    for name, content in {
        "a command": b"cos\nsystem\n(S'true'\ntR.",
        "an expression": b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
        "an attribute of an attribute": naming(("torch", "serialization.os.system")),
        "a getattr that is called": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93K\x01\x8c\x0abit_length\x86R)R.",
        "a name that is computed": b"\x80\x04\x8c\x02os\x8c\x08builtins\x8c\x03str\x93)R\x93.",
    }.items():
        yield artifacts("ST803", name, content, plain)
    method = b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93K\x01\x8c\x0abit_length\x86R."
    yield artifacts("ST803", "a bound method", method, plain, warns=True)


TWINS = (*_dangerous(),)
