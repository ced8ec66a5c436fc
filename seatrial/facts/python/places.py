"""Locations of code in a file, counted as an editor counts, and the code as it is written there."""

from __future__ import annotations

import ast
import re
import tokenize
from io import BytesIO

from seatrial.findings import Location


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
        self._lines = content.splitlines(keepends=True)

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
