"""Which branch of an `if` code takes, as far as constants, defaults of options and settings tell."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.facts.repository.script import Script
    from seatrial.facts.repository.scripts import Scripts

_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def is_passed_over(node: ast.AST, script: Script, scripts: Scripts) -> bool:
    """Return whether a node is in a branch that is not taken with the values that the text tells."""
    while node in script.parents:
        inner, node = node, script.parents[node]
        if isinstance(node, ast.If) and inner is not node.test:
            is_taken = _truth(node.test, script, scripts)
            if is_taken is not None and is_taken != (inner in node.body):
                return True
    return False


def _truth(test: ast.expr, script: Script, scripts: Scripts) -> bool | None:
    """Return whether a condition holds; None if the text does not tell."""
    match test:
        case ast.BoolOp(op, values):
            each = [_truth(value, script, scripts) for value in values]
            decides = isinstance(op, ast.Or)  # one true decides an `or`, one false an `and`
            if decides in each:
                return decides
            return None if None in each else not decides
        case ast.UnaryOp(ast.Not(), operand):
            inner = _truth(operand, script, scripts)
            return None if inner is None else not inner
        case ast.Compare(left, [op], [right]) if type(op) in _COMPARED:
            first, second = scripts.literal(left, script), scripts.literal(right, script)
            if first is None or second is None:
                return None
            try:
                return bool(_COMPARED[type(op)](first.value, second.value))
            except TypeError:
                return None
        case ast.Constant(value):
            return bool(value)
        case ast.Name() | ast.Attribute() | ast.Subscript():
            literal = scripts.literal(test, script)
            return bool(literal.value) if literal else None
    return None
