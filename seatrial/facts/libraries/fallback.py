"""What a module's `__getattr__` (PEP 562) does for one name, as far as its text decides.

Libraries refuse removed names there: `if attr in _EXPIRED: raise AttributeError(...)`. A test that the text does not
decide takes both ways.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

Tables = Callable[[str], Mapping[str, str] | None]
_REFUSALS = ("AttributeError", "ImportError", "ModuleNotFoundError", "NameError")


def refuses(function: ast.FunctionDef, name: str, tables: Tables) -> bool:
    """Return whether the function surely raises AttributeError or ImportError for a name.

    `tables` returns the texts in a collection that the module knows by a name; None if they are not known.
    """
    arguments = function.args.args
    if len(arguments) != 1 or function.decorator_list:
        return False
    return _ends(function.body, arguments[0].arg, name, tables) == {"raises"}


def _ends(body: list[ast.stmt], argument: str, name: str, tables: Tables) -> set[str]:
    """Return how a block may end: "raises", "returns" (a value, or anything unknown), "goes on"."""
    found: set[str] = set()
    for statement in body:
        match statement:
            case ast.Raise():
                return found | ({"raises"} if _is_refusal(statement) else {"returns"})
            case ast.If(test, then, otherwise):
                decided = _decide(test, argument, name, tables)
                ends: set[str] = set()
                if decided is not False:
                    ends |= _ends(then, argument, name, tables)
                if decided is not True:
                    ends |= _ends(otherwise, argument, name, tables)
                found |= ends - {"goes on"}
                if "goes on" not in ends:
                    return found
            case ast.Expr() | ast.Import() | ast.ImportFrom() | ast.Pass():
                continue
            case ast.Assign(targets) if not _binds(targets, argument):
                continue
            case ast.With(body=inner):
                ends = _ends(inner, argument, name, tables)
                found |= ends - {"goes on"}
                if "goes on" not in ends:
                    return found
            case _:
                return found | {"returns"}
    return found | {"goes on"}


def _is_refusal(statement: ast.Raise) -> bool:
    raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    return isinstance(raised, ast.Name) and raised.id in _REFUSALS


def _binds(targets: list[ast.expr], argument: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == argument for target in targets for part in ast.walk(target))


def _decide(test: ast.expr, argument: str, name: str, tables: Tables) -> bool | None:
    match test:
        case ast.UnaryOp(ast.Not(), inner):
            decided = _decide(inner, argument, name, tables)
            return None if decided is None else not decided
        case ast.BoolOp(operator, values):
            each = [_decide(value, argument, name, tables) for value in values]
            ends = isinstance(operator, ast.Or)
            return ends if ends in each else (None if None in each else not ends)
        case ast.Compare(ast.Name(left), [operator], [right]) if left == argument:
            return _compared(operator, right, name, tables)
        case ast.Compare(ast.Constant(value), [ast.Eq()], [ast.Name(right_name)]) if right_name == argument:
            return bool(value == name)
        case ast.Call(ast.Attribute(ast.Name(left), "startswith"), [ast.Constant(str(start))]) if left == argument:
            return name.startswith(start)
    return None


def _compared(operator: ast.cmpop, right: ast.expr, name: str, tables: Tables) -> bool | None:
    match operator, right:
        case (ast.Eq() | ast.NotEq(), ast.Constant(value)):
            return bool(value == name) == isinstance(operator, ast.Eq)
        case (ast.In() | ast.NotIn(), ast.Tuple(elts) | ast.List(elts) | ast.Set(elts)):
            values = [element.value if isinstance(element, ast.Constant) else None for element in elts]
            return None if None in values else (name in values) == isinstance(operator, ast.In)
        case (ast.In() | ast.NotIn(), ast.Name(table)):
            texts = tables(table)
            return None if texts is None else (name in texts) == isinstance(operator, ast.In)
    return None
