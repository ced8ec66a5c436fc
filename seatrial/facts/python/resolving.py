"""Turns what a walk over a module noted into facts about its calls that keep nothing of the syntax tree.

A function may use what is bound below it, so this happens once everything was read.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from seatrial.facts.python.calls import Call, Context, Function, Read, Uses
from seatrial.facts.python.places import Places, in_one_piece
from seatrial.facts.python.scopes import Names, Scope, end_of
from seatrial.findings import Location


@dataclass(frozen=True, slots=True)
class Block:
    """In which kind of block the walk is; see Import and Context."""

    scope: Scope
    optional: bool = False
    typing_only: bool = False
    lazy: bool = False
    tried: bool = False
    withs: tuple[ast.expr, ...] = ()
    tests: tuple[ast.expr, ...] = ()


class Resolver:
    """Turns what a walk noted into facts that keep nothing of the syntax tree."""

    def __init__(self, places: Places, names: Names) -> None:
        self._places = places
        self._names = names
        self._contexts: dict[int, Context] = {}
        self._tested: dict[int, list[str]] = {}

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
        found_reads = (self._read(node, block) for node, block in reads)
        return Uses(
            calls=tuple(sorted((self._call(node, block) for node, block in calls), key=_line)),
            reads=tuple(sorted((read for read in found_reads if read), key=_line)),
            functions=self._functions(scopes),
            classes={
                s.qualname: tuple(self._names.name(base, s.parent or s) for base in n.bases)
                for s, n in scopes
                if isinstance(n, ast.ClassDef)
            },
            values={name: self._names.bound(name, module) for name in module.bindings},
            mentions=frozenset(module.mentions),
            stars=stars,
            patched=frozenset(self._names.name(node, block.scope) for node, block in stores),
        )

    def _call(self, node: ast.Call, block: Block) -> Call:
        scope, value = block.scope, self._names.value
        given, is_open = [], False
        for argument in node.args:
            is_open = is_open or isinstance(argument, ast.Starred)
            if not is_open:
                given.append(value(argument, scope))
        keywords = {k.arg: value(k.value, scope) for k in node.keywords if k.arg}
        return Call(
            name=self._names.name(node.func, scope),
            written=in_one_piece(node.func),
            arguments=tuple(given),
            keywords=keywords,
            is_open=is_open or len(keywords) < len(node.keywords),
            location=self._places.of(node),
            end=end_of(node),
            after_last=self._places.after_last(node),
            context=self._context(block),
        )

    def _read(self, node: ast.Attribute, block: Block) -> Read | None:
        name = self._names.name(node, block.scope)
        if name.startswith(("?", "builtins.")) or ")" in name or "]" in name:
            return None
        return Read(name, in_one_piece(node), self._places.of(node), self._context(block))

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
            decorators=self._decorators(scope),
            returns=tuple(self._names.value(returned, scope) for returned in scope.returns),
            mentions=frozenset(scope.mentions),
        )

    def _decorators(self, scope: Scope) -> tuple[str, ...]:
        return tuple(self._names.name(node, scope.parent or scope) for node in scope.decorators)

    def _context(self, block: Block) -> Context:
        known = self._contexts.get(id(block))
        if known is None:
            decorators: list[str] = []
            scope: Scope | None = block.scope
            while scope:
                decorators.extend(self._decorators(scope))
                scope = scope.parent
            running = block.scope.runs_in()
            known = self._contexts[id(block)] = Context(
                function=running.qualname,
                decorators=tuple(decorators),
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


def _line(use: Call | Read) -> tuple[int, int]:
    return use.location.line or 0, use.location.column or 0
