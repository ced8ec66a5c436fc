"""Turns what a walk over a module noted into facts about its calls.

A function may use what is bound below it, so this happens once everything was read; and for the details of a call,
once a rule asks for them.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.python.calls import UNKNOWN, Call, Context, Function, Read, Uses
from seatrial.facts.python.places import dotted, in_one_piece, named_in
from seatrial.facts.python.scopes import LINKS
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.python.calls import Value
    from seatrial.facts.python.notes import Block, Definition, Notes
    from seatrial.facts.python.paths import PathText
    from seatrial.facts.python.places import Places
    from seatrial.facts.python.scopes import Names, Scope


NAMED = LINKS | {ast.Name, ast.BinOp, ast.JoinedStr}  # what may have a name or a path
NAMING = frozenset([ast.Name, ast.Attribute, ast.Await, ast.NamedExpr])  # what may stand for a literal


class Resolver:
    """Turns what a walk noted into facts. Its calls keep what they were noted with, for what is resolved later.

    The notes themselves are not kept, because they have the whole tree of the module.
    """

    def __init__(self, places: Places, names: Names) -> None:
        self._places = places
        self._names = names
        # By identity: what these are of lives as long as the calls do.
        self._contexts: dict[int, Context] = {}
        self._tested: dict[int, list[str]] = {}
        self._decorating: dict[int, tuple[str, ...]] = {}

    def uses(self, notes: Notes) -> Uses:
        """Resolve all that a walk noted."""
        found_reads = (self._read(node, block) for node, block in sorted(notes.reads, key=_begin))
        classes = [(scope, node) for scope, node in notes.scopes if isinstance(node, ast.ClassDef)]
        return Uses(
            calls=tuple(self._called(node, block) for node, block in sorted(notes.calls, key=_begin)),
            reads=tuple(read for read in found_reads if read),
            functions=self._functions(notes.scopes),
            classes={s.qualname: tuple(self._names.name(base, s.parent or s) for base in n.bases) for s, n in classes},
            attributes={s.qualname: frozenset(s.attributes) for s, _ in classes},
            members={s.qualname: frozenset(s.bindings) for s, _ in classes},
            values={name: self._names.bound(name, notes.module) for name in notes.module.bindings},
            mentions=frozenset(notes.module.mentions),
            stars=tuple(notes.stars),
            patched=frozenset(self._names.name(node, block.scope) for node, block in notes.stores),
        )

    def written(self, node: ast.expr) -> str:
        """Return a dotted name, as the module writes it."""
        return in_one_piece(node)

    def arguments(self, call: ast.Call, block: Block) -> tuple[Value, ...]:
        """Return the positional arguments before the first `*`."""
        given = itertools.takewhile(lambda argument: not isinstance(argument, ast.Starred), call.args)
        return tuple(self._names.value(argument, block.scope) for argument in given)

    def keywords(self, call: ast.Call, block: Block) -> dict[str, Value]:
        """Return the named arguments."""
        return {k.arg: self._names.value(k.value, block.scope) for k in call.keywords if k.arg}

    def values(self, call: ast.Call, block: Block) -> Iterator[Value]:
        """Yield the arguments that may have a name or a path, as far as they are known."""
        for node in _given(call):
            if type(node) in NAMED and (value := self._names.value(node, block.scope)) is not UNKNOWN:
                yield value

    def texts(self, call: ast.Call, block: Block) -> Iterator[str]:
        """Yield the arguments that are texts, or names of one text."""
        for node in _given(call):
            value = node.value if type(node) is ast.Constant else None
            if type(node) in NAMING:
                value = self._names.value(node, block.scope).constant
            if isinstance(value, str):
                yield value

    def is_open(self, call: ast.Call) -> bool:
        """Return whether `*` or `**` may give further arguments."""
        starred = any(isinstance(argument, ast.Starred) for argument in call.args)
        return starred or not all(keyword.arg for keyword in call.keywords)

    def location(self, node: ast.expr) -> Location:
        """Return where an expression is."""
        return self._places.of(node)

    def path(self, node: ast.expr, block: Block) -> PathText | None:
        """Return an expression as a path."""
        return self._names.path(node, block.scope)

    def after_last(self, call: ast.Call) -> tuple[int, int] | None:
        """Return the place right after the last argument."""
        return self._places.after_last(call)

    def _called(self, node: ast.Call, block: Block) -> Call:
        return Call(self._names.name(node.func, block.scope), node, block, self)

    def _read(self, node: ast.Attribute, block: Block) -> Read | None:
        name = self._names.name(node, block.scope)
        if name.startswith(("?", "builtins.")) or ")" in name or "]" in name:
            return None
        return Read(name, node, block, self)

    def _functions(self, scopes: list[tuple[Scope, Definition]]) -> dict[str, Function]:
        found: dict[str, Function] = {}
        for scope, node in scopes:
            if isinstance(node, ast.ClassDef):
                continue
            function = self._function(scope, node)
            if same := found.get(scope.qualname):  # a property's setter, an overload, the other branch of an if
                function = replace(
                    function,
                    decorators=(*same.decorators, *function.decorators),
                    returns=(*same.returns, *function.returns),
                    mentions=same.mentions | function.mentions,
                )
            found[scope.qualname] = function
        return found

    def _function(self, scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
        a = node.args
        keyword = 4 + (6 if isinstance(node, ast.AsyncFunctionDef) else 0)  # `def `, `async `
        column = node.col_offset + keyword + 1
        return Function(
            location=Location(self._places.path, node.lineno, column, column + len(node.name)),
            parameters=tuple(p.arg for p in (*a.posonlyargs, *a.args)),
            annotations=tuple(_annotation(p.annotation) for p in (*a.posonlyargs, *a.args)),
            required=len(a.posonlyargs) + len(a.args) - len(a.defaults),
            keywords=tuple(p.arg for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is None),
            is_open=a.vararg is not None,
            is_async=isinstance(node, ast.AsyncFunctionDef),
            decorators=self._decorators(scope),
            returns=tuple(self._names.value(returned, scope) for returned in scope.returns),
            mentions=frozenset(scope.mentions),
        )

    def _decorators(self, scope: Scope) -> tuple[str, ...]:
        return tuple(self._names.name(node, scope.parent or scope) for node in scope.decorators)

    def _around(self, scope: Scope) -> tuple[str, ...]:
        """Return the decorators of a function and of those around it."""
        known = self._decorating.get(id(scope))
        if known is None:
            outer = self._around(scope.parent) if scope.parent else ()
            known = self._decorating[id(scope)] = (*self._decorators(scope), *outer)
        return known

    def context(self, block: Block) -> Context:
        """Return the context of what is in a block."""
        known = self._contexts.get(id(block))
        if known is None:
            known = self._contexts[id(block)] = Context(
                function=block.scope.runs_in().qualname,
                decorators=self._around(block.scope),
                withs=tuple(self._names.name(node, block.scope) for node in block.withs),
                guards=tuple(dict.fromkeys(name for test in block.tests for name in self._names_in(test, block.scope))),
                tried=block.tried,
                runs=not block.typing_only,
            )
        return known

    def _names_in(self, test: ast.expr, scope: Scope) -> list[str]:
        known = self._tested.get(id(test))
        if known is None:
            known = self._tested[id(test)] = [self._names.name(part, scope) for part in named_in(test)]
        return known


def _annotation(node: ast.expr | None) -> str:
    text = node.value if isinstance(node, ast.Constant) else dotted(node) if node else ""
    return text if isinstance(text, str) else ""


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the positional arguments before the first `*`, and the named ones."""
    for argument in call.args:
        if type(argument) is ast.Starred:
            break
        yield argument
    for keyword in call.keywords:
        if keyword.arg:
            yield keyword.value


def _begin(noted: tuple[ast.Call | ast.Attribute, Block]) -> tuple[int, int]:
    return noted[0].lineno, noted[0].col_offset
