"""Walks the expressions of one module, however deep they are, and notes what they call, read, mention and bind."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from seatrial.facts.python.notes import Block
from seatrial.facts.python.places import BYTE_NUMBER, dotted, mark_of, parts, scaling_of

if TYPE_CHECKING:
    from seatrial.facts.python.notes import Notes
    from seatrial.facts.python.places import Places

BY_NAME = {"getattr", "globals", "eval", "exec", "vars"}  # builtins that may call what no source spells
OPENING = {"globals", "exec", "setattr", "vars"}  # builtins that may bind what no source spells
READS_TEXT = {"getattr", "hasattr"}
MOST_TESTS = 8  # tests around a place that are kept; a guard is near to what it guards

_Pending = list[ast.AST | Block]


class Expressions:
    """Notes expressions.

    Most time of reading a module is spent here. So the commonest kinds come first, and types are compared with `is`,
    which takes half as long as isinstance.
    """

    def __init__(self, notes: Notes, places: Places) -> None:
        self._notes = notes
        self._places = places

    def note(self, root: ast.expr, block: Block) -> None:
        """Note the calls, reads and names of an expression."""
        mentions = set() if block.typing_only else block.scope.runs_in().mentions
        pending: _Pending = [root]  # a block says where the nodes below it in the list are
        while pending:
            node = pending.pop()
            if type(node) is ast.Name:
                if type(node.ctx) is ast.Store:
                    self._notes.bind(node.id, None, block)
                else:
                    _mention(node.id, mentions)
            elif type(node) is ast.Constant:
                if node.value == BYTE_NUMBER:
                    mentions.update(mark_of(node))
            elif type(node) is ast.Attribute:
                self._attribute(node, block, mentions, pending)
            elif type(node) is ast.Call:
                self._call(node, block, mentions, pending)
            elif type(node) is Block:
                block = node
            elif isinstance(node, ast.AST):
                self._other(node, block, mentions, pending)

    def _attribute(self, node: ast.Attribute, block: Block, mentions: set[str], pending: _Pending) -> None:
        inner = _without_attributes(node, mentions)
        if type(inner) is ast.Name:
            _mention(inner.id, mentions)
        else:
            pending.append(inner)
        if type(node.ctx) is ast.Store:
            self._notes.store(node, None, block)
        elif type(inner) is ast.Name and inner.id != block.scope.receiver:
            self._notes.reads.append((node, block))

    def _call(self, node: ast.Call, block: Block, mentions: set[str], pending: _Pending) -> None:
        self._notes.calls.append((node, block))
        func, given = node.func, node.args
        if given:
            pending += given
            if type(given[-1]) is ast.Constant:
                mentions.update(scaling_of(node))
        if node.keywords:
            pending += [keyword.value for keyword in node.keywords]
        if type(func) is ast.Name:
            self._notes.open = self._notes.open or func.id in OPENING
            text = given[1] if func.id in READS_TEXT and len(given) > 1 else None
            if type(text) is ast.Constant and isinstance(text.value, str):
                mentions.add(text.value)  # it reads this attribute alone
            else:
                _mention(func.id, mentions)
            if func.id not in self._notes.importers:
                return
        elif type(func) is ast.Attribute:
            inner = _without_attributes(func, mentions)
            if type(inner) is ast.Name:
                _mention(inner.id, mentions)
            else:
                pending.append(inner)
            if func.attr != "import_module":
                return
        else:
            pending.append(func)
        self._import_of(node, block)

    def _other(self, node: ast.AST, block: Block, mentions: set[str], pending: _Pending) -> None:
        if isinstance(node, ast.IfExp):
            guarded = block._replace(tests=(*block.tests, node.test)[-MOST_TESTS:])
            pending += [node.test, block, node.body, node.orelse, guarded]
            return
        if isinstance(node, ast.NamedExpr):
            self._notes.bind(node.target.id, node.value, block)
            pending.append(node.value)
            return
        if isinstance(node, ast.Lambda):
            for parameter in parameters(node.args):
                block.scope.bind(parameter, None)
        elif isinstance(node, ast.Slice):
            mentions.update(mark_of(node))
        elif isinstance(node, ast.BinOp):
            mentions.update(scaling_of(node))
        pending += parts(node)

    def _import_of(self, node: ast.Call, block: Block) -> None:
        """Note the module that a call imports by its name."""
        if dotted(node.func) in self._notes.importers and (named := self._by_text(node)):
            self._notes.imports.append(self._notes.imported(named, (), self._places.of(node), block))

    def _by_text(self, node: ast.Call) -> str:
        """Return the absolute name that `import_module("name")` imports; "" if the source does not show it."""
        match node.args:
            case [ast.Constant(str(name))] | [ast.Constant(str(name)), _, *_] if not name.startswith("."):
                return name if all(part.isidentifier() for part in name.split(".")) else ""
            case [ast.Constant(str(name)), ast.Name("__package__")]:
                level = len(name) - len(name.lstrip("."))
                return self._notes.absolute(ast.ImportFrom(module=name[level:], names=[], level=level))
        return ""


def parameters(given: ast.arguments) -> list[str]:
    """Return the names of all parameters of a function or lambda."""
    a = given
    return [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p]


def _mention(name: str, mentions: set[str]) -> None:
    mentions.add(name)
    if name in BY_NAME:
        mentions.add(f"{name}()")


def _without_attributes(node: ast.expr, mentions: set[str]) -> ast.expr:
    """Mention a chain of attributes, and return what it begins with."""
    while type(node) is ast.Attribute:
        mentions.add(node.attr)
        node = node.value
    return node
