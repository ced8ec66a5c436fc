"""Turns what a walk over a module noted into facts about its calls.

A function may use what is bound below it, so this happens once everything was read; and for the details of a call,
once a rule asks for them.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from seatrial.facts.python.calls import Call, Context, Function, Read, Uses
from seatrial.facts.python.paths import is_method_of_path
from seatrial.facts.python.places import Places, dotted, in_one_piece
from seatrial.facts.python.scopes import Names, Scope
from seatrial.findings import Location

if TYPE_CHECKING:
    from seatrial.facts.python.calls import Value
    from seatrial.facts.python.paths import PathText
    from seatrial.facts.python.versions import VersionTest


class Block(NamedTuple):
    """In which kind of block the walk is; see Import and Context."""

    scope: Scope
    optional: bool = False
    typing_only: bool = False
    lazy: bool = False
    tried: bool = False
    withs: tuple[ast.expr, ...] = ()
    tests: tuple[ast.expr, ...] = ()
    versions: tuple[VersionTest, ...] = ()


class Resolver:
    """Turns what a walk noted into facts. Its calls keep what they were noted with, for what is resolved later."""

    def __init__(self, places: Places, names: Names) -> None:
        self._places = places
        self._names = names
        # By identity: what a walk noted lives as long as its calls do.
        self._contexts: dict[int, Context] = {}
        self._tested: dict[int, list[str]] = {}
        self._decorating: dict[int, tuple[str, ...]] = {}

    def uses(
        self,
        module: Scope,
        scopes: list[tuple[Scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]],
        calls: list[tuple[ast.Call, Block]],
        reads: list[tuple[ast.Attribute, Block]],
        stores: list[tuple[ast.Attribute, Block]],
        stars: tuple[str, ...],
    ) -> Uses:
        """Resolve all that a walk noted; each call and read comes with the block that it was noted in."""
        found_reads = (self._read(node, block) for node, block in sorted(reads, key=_begin))
        return Uses(
            calls=tuple(self._called(node, block) for node, block in sorted(calls, key=_begin)),
            reads=tuple(read for read in found_reads if read),
            functions=self._functions(scopes),
            classes={
                s.qualname: tuple(self._names.name(base, s.parent or s) for base in n.bases)
                for s, n in scopes
                if isinstance(n, ast.ClassDef)
            },
            attributes={s.qualname: frozenset(s.attributes) for s, n in scopes if isinstance(n, ast.ClassDef)},
            members={s.qualname: frozenset(s.bindings) for s, n in scopes if isinstance(n, ast.ClassDef)},
            values={name: self._names.bound(name, module) for name in module.bindings},
            mentions=frozenset(module.mentions),
            stars=stars,
            patched=frozenset(self._names.name(node, block.scope) for node, block in stores),
        )

    def written(self, call: ast.Call) -> str:
        """Return what is called, as the module writes it."""
        return in_one_piece(call.func)

    def arguments(self, call: ast.Call, block: Block) -> tuple[Value, ...]:
        """Return the positional arguments before the first `*`."""
        given = itertools.takewhile(lambda argument: not isinstance(argument, ast.Starred), call.args)
        return tuple(self._names.value(argument, block.scope) for argument in given)

    def keywords(self, call: ast.Call, block: Block) -> dict[str, Value]:
        """Return the named arguments."""
        return {k.arg: self._names.value(k.value, block.scope) for k in call.keywords if k.arg}

    def is_open(self, call: ast.Call) -> bool:
        """Return whether `*` or `**` may give further arguments."""
        starred = any(isinstance(argument, ast.Starred) for argument in call.args)
        return starred or not all(keyword.arg for keyword in call.keywords)

    def location(self, call: ast.Call) -> Location:
        """Return where a call is."""
        return self._places.of(call)

    def on(self, call: ast.Call, block: Block) -> PathText | None:
        """Return the path whose method is called."""
        return self._names.path(call.func.value, block.scope) if is_method_of_path(call.func) else None

    def after_last(self, call: ast.Call) -> tuple[int, int] | None:
        """Return the place right after the last argument."""
        return self._places.after_last(call)

    def _called(self, node: ast.Call, block: Block) -> Call:
        return Call(self._names.name(node.func, block.scope), node, block, self)

    def _read(self, node: ast.Attribute, block: Block) -> Read | None:
        name = self._names.name(node, block.scope)
        if name.startswith(("?", "builtins.")) or ")" in name or "]" in name:
            return None
        return Read(name, in_one_piece(node), self._places.of(node), self.context(block))

    def _functions(
        self, scopes: list[tuple[Scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]
    ) -> dict[str, Function]:
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
            inner = (part for part in ast.walk(test) if isinstance(part, ast.Call | ast.Attribute | ast.Name))
            known = self._tested[id(test)] = [self._names.name(part, scope) for part in inner]
        return known


def _annotation(node: ast.expr | None) -> str:
    text = node.value if isinstance(node, ast.Constant) else dotted(node) if node else ""
    return text if isinstance(text, str) else ""


def _begin(noted: tuple[ast.Call | ast.Attribute, Block]) -> tuple[int, int]:
    return noted[0].lineno, noted[0].col_offset
