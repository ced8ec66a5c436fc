"""What a library's module surely takes from others when it is imported: no function's body, no `if`, no try."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.facts.libraries.defined import absolute
from seatrial.facts.libraries.members import attributes

if TYPE_CHECKING:
    from seatrial.facts.libraries.defined import Defined

_LATER = ast.Lambda | ast.IfExp | ast.BoolOp | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a module takes.

    Attributes:
        question: what is asked about it; see `taken`.
        modules: the modules that it imports for it.
        line: the line.
    """

    question: str
    modules: tuple[str, ...]
    line: int


def steps(source: Defined) -> Iterator[Step]:
    """Yield what a module takes when it is imported, in the order of lines."""
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    yield from _block(source.statements, source, package)


def patches(source: Defined) -> Iterator[str]:
    """Yield the dotted names of others that a module assigns to, wherever in it: `numpy.float`."""
    for statement in source.statements:
        for part in ast.walk(statement):
            if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and (name := _dotted(part, source)):
                yield name


def _block(statements: tuple[ast.stmt, ...] | list[ast.stmt], source: Defined, package: str) -> Iterator[Step]:
    for statement in statements:
        match statement:
            case ast.Import(names):
                for alias in names:
                    yield Step(f"{alias.name}:", (alias.name,), statement.lineno)
            case ast.ImportFrom(names=names):
                if module := absolute(statement, package):
                    for alias in names:
                        name = "" if alias.name == "*" else alias.name
                        modules = (module, f"{module}.{name}") if name else (module,)
                        yield Step(f"{module}:{name}", modules, statement.lineno)
            case ast.ClassDef():
                for outside in (*statement.decorator_list, *statement.bases, *(k.value for k in statement.keywords)):
                    yield from _reads(outside, source)
                yield from _block(statement.body, _without(source, statement), package)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                defaults = (*statement.args.defaults, *(d for d in statement.args.kw_defaults if d))
                for outside in (*statement.decorator_list, *defaults):
                    yield from _reads(outside, source)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) | ast.Expr(value):
                yield from _reads(value, source)
            case ast.Try(handlers=[]):
                yield from _block(statement.body, source, package)


def _without(source: Defined, body: ast.ClassDef) -> Defined:
    """Return a module without the names that a class's body binds, which are seen in that body alone."""
    own = attributes(body)
    return replace(source, bound={name: target for name, target in source.bound.items() if name not in own})


def _reads(root: ast.expr, source: Defined) -> Iterator[Step]:
    """Yield the attributes of imported modules that evaluating an expression surely reads."""
    pending: list[ast.AST] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, _LATER):
            continue
        if isinstance(node, ast.Attribute) and (name := _dotted(node, source)):
            yield Step(name, (), node.lineno)
            continue
        pending.extend(ast.iter_child_nodes(node))


def _dotted(node: ast.Attribute, source: Defined) -> str:
    """Return the dotted name of an attribute of what an import alone binds; "" for any other expression."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        parts.insert(0, inner.attr)
        inner = inner.value
    target = source.bound.get(inner.id, "") if isinstance(inner, ast.Name) else ""
    return ".".join([target, *parts]) if target else ""
