"""Locations of code in a file, counted as an editor counts, and the code as it is written there."""

from __future__ import annotations

import ast
import re
import tokenize
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

from seatrial.facts.python.calls import BYTE, PER_BYTE, REVERSED, TIMES_BYTE
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

Named = ast.Call | ast.Attribute | ast.Name


class Places:
    """Turns the parser's positions, which count bytes of UTF-8, into those that a person and an editor count."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self._is_ascii = content.isascii()
        if not self._is_ascii:
            try:
                encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
            except SyntaxError:  # a comment in the first lines is not UTF-8, which Python itself accepts
                encoding = "utf-8"
            content = content.decode(encoding, errors="replace").encode()
        self._content = content

    @cached_property
    def _lines(self) -> list[bytes]:
        return self._content.splitlines(keepends=True)

    def column(self, line: int, offset: int) -> int:
        """Return the column, from 1, at an offset into a line."""
        return 1 + (offset if self._is_ascii else len(self._lines[line - 1][:offset].decode(errors="replace")))

    def of(self, node: ast.stmt | ast.expr | ast.alias) -> Location:
        """Return the location of a node, with an end if it is on one line."""
        end = None
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            end = self.column(node.lineno, node.end_col_offset)
        return Location(self.path, node.lineno, self.column(node.lineno, node.col_offset), end)

    def after_last(self, call: ast.Call) -> tuple[int, int] | None:
        """Return the place right after a call's last argument; None where a bracket or a comment hides it."""
        given: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
        if not given:
            return None
        line, offset = max((n.end_lineno or 0, n.end_col_offset or 0) for n in given)
        end_line, end_offset = call.end_lineno or line, call.end_col_offset or 0
        if line == end_line:
            rest = self._lines[line - 1][offset:end_offset]
        else:
            between = self._lines[line : end_line - 1]
            rest = b"".join([self._lines[line - 1][offset:], *between, self._lines[end_line - 1][:end_offset]])
        return (line, self.column(line, offset)) if re.fullmatch(rb"\s*,?\s*\)", rest) else None


def dotted(node: ast.AST) -> str:
    """Return a dotted name as text; "" for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join(reversed([*names, node.id])) if isinstance(node, ast.Name) else ""


def in_one_piece(node: ast.expr) -> str:
    """Return a dotted name that the source writes in one piece, without spaces or line breaks; otherwise ""."""
    name = dotted(node)
    is_whole = node.lineno == node.end_lineno and (node.end_col_offset or 0) - node.col_offset == len(name.encode())
    return name if is_whole else ""


BYTE_NUMBER = int(BYTE)
_OF_METHOD = {
    **dict.fromkeys(("div", "div_", "divide", "true_divide"), (PER_BYTE,)),
    **dict.fromkeys(("mul", "mul_", "multiply", "multiply_"), (TIMES_BYTE,)),
}


def mark_of(node: ast.Constant | ast.Slice) -> tuple[str, ...]:
    """Return the mark of an expression that matters to pixels, one of `calls.MARKS`, as the only item; or none."""
    match node:
        case ast.Constant() if _is_byte(node):
            return (BYTE,)
        case ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1))):
            return (REVERSED,)
    return ()


def scaling_of(node: ast.BinOp | ast.AugAssign | ast.Call) -> tuple[str, ...]:
    """Return the mark of a division by 255 or of a multiplication with it, as the only item; or none."""
    if isinstance(node, ast.Call):
        by_byte = isinstance(node.func, ast.Attribute) and bool(node.args) and _is_byte(node.args[-1])
        return _OF_METHOD.get(node.func.attr, ()) if by_byte and isinstance(node.func, ast.Attribute) else ()
    if isinstance(node.op, ast.Div | ast.Mult):
        left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (None, node.value)
        if isinstance(node.op, ast.Div):
            return (PER_BYTE,) if _is_byte(right) else ()
        return (TIMES_BYTE,) if _is_byte(right) or _is_byte(left) else ()
    return ()


def _is_byte(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == BYTE_NUMBER


def parts(node: ast.AST) -> list[ast.AST]:
    """Return the nodes right below a node, as ast.iter_child_nodes does, but no operators: half of all nodes."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name)
        if type(value) is list:
            found += value if None not in value else [part for part in value if part is not None]
        elif value is not None:
            found.append(value)
    return found


def named_in(node: ast.expr) -> list[Named]:
    """Return the calls, attributes and names in an expression, the outermost first."""
    found: list[ast.AST] = [node]
    for each in found:
        found += parts(each)
    return [each for each in found if isinstance(each, ast.Call | ast.Attribute | ast.Name)]


def all_kinds(kind: type[ast.AST]) -> Iterator[type[ast.AST]]:
    """Yield a kind of node and those that derive from it."""
    yield kind
    for one in kind.__subclasses__():
        yield from all_kinds(one)


# Fields with one of these names hold no node, or one that nothing binds, calls or reads.
_NO_NODES = {
    "ctx", "op", "ops", "id", "attr", "arg", "name", "names", "asname", "module", "level", "kind", "type_comment",
    "conversion", "simple", "is_async", "kwd_attrs", "rest", "tag", "lineno", "str",
}  # fmt: skip
_CONSTANTS = (ast.Constant, ast.MatchSingleton)
_FIELDS = {
    kind: () if issubclass(kind, _CONSTANTS) else tuple(name for name in kind._fields if name not in _NO_NODES)
    for kind in all_kinds(ast.AST)
}
