"""One Python file of a repository, parsed once, with what its names mean in it. Nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
_MAPPINGS = ("munchify", "Munch", "EasyDict", "edict", "AttrDict", "Box", "DotMap", "DictConfig", "create")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal that a name stands for, and where that is written."""

    value: Any
    location: Location


@dataclass(frozen=True, eq=False)
class Script:
    """A file: its path, its module's name where it can be imported, its text and its tree.

    Attributes:
        path: relative to the root.
        module: the dotted name, from the folder that its package lies in; "" for what cannot be imported, such as a
            notebook.
        text: the source.
        tree: parsed.
    """

    path: str
    module: str
    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, in the order of `ast.walk`, which takes most of the time of reading a repository."""
        return list(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Node → the node that it is a part of."""
        return {part: node for node in self.nodes for part in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """What names stand for that any import of the file binds: `T` → `torchvision.transforms`."""
        found: dict[str, str] = {}
        package = self.module.split(".") if self.path.endswith("__init__.py") else self.module.split(".")[:-1]
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    found[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                found |= {alias.asname or alias.name: f"{base}.{alias.name}".strip(".") for alias in node.names}
        return found

    @cached_property
    def definitions(self) -> dict[str, ast.ClassDef | Function]:
        """The classes and functions of the top level, by name."""
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    @cached_property
    def calls(self) -> list[ast.Call]:
        """All calls, in the order of the text."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))

    @cached_property
    def _bound(self) -> dict[ast.AST, dict[str, list[ast.expr | None]]]:
        """Scope → name → what is assigned to it there; None for what is no plain assignment."""
        found: dict[ast.AST, dict[str, list[ast.expr | None]]] = {}
        for node in self.nodes:
            values: list[tuple[ast.expr, ast.expr | None]] = []
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        values += list(zip(target.elts, node.value.elts, strict=False))
                    else:
                        values.append((target, node.value))
            elif isinstance(node, ast.AnnAssign) and node.value:
                values = [(node.target, node.value)]
            elif isinstance(node, ast.AugAssign | ast.For):
                values = [(node.target, None)]
            elif isinstance(node, ast.Expr) and (grown := _grown(node.value)) is not None:
                values = [(grown, None)]
            for target, value in values:
                for name in _names(target):
                    only = value if isinstance(target, ast.Name | ast.Attribute) else None
                    found.setdefault(self.scope(node), {}).setdefault(name, []).append(only)
        return found

    def location(self, node: ast.AST) -> Location:
        """Return where a node begins."""
        return Location(self.path, getattr(node, "lineno", None))

    def scope(self, node: ast.AST) -> ast.AST:
        """Return the function, class or module around a node."""
        around = self.parents.get(node, self.tree)
        while not isinstance(around, _SCOPES):
            around = self.parents[around]
        return around

    def scopes(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the scopes around a node, the nearest first, the module last."""
        around = self.scope(node)
        while True:
            yield around
            if isinstance(around, ast.Module):
                return
            around = self.scope(around)

    def name(self, node: ast.AST | None) -> str:
        """Return the dotted name that an expression stands for by the imports; "" if it is no dotted name.

        What the file itself defines has the module's name before it, or none if it has no module.
        """
        if isinstance(node, ast.Name):
            if node.id in self.imports:
                return self.imports[node.id]
            own = node.id in self.definitions and self.module
            return f"{self.module}.{node.id}" if own else node.id
        if isinstance(node, ast.Attribute):
            base = self.name(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def bound(self, name: str, node: ast.AST) -> ast.expr | None:
        """Return the one expression that is bound to a name where a node stands; None if it is not one, or unknown."""
        for scope in self.scopes(node):
            if isinstance(scope, ast.ClassDef) and not name.startswith("self."):
                continue
            bound = self._bound.get(scope, {}).get(name, [])
            if name.startswith("self."):
                bound = [value for inner in self._bound for value in self._of_class(inner, scope, name)]
            if bound:
                own = [value for value in bound if not _is_wrapped(value, name)]
                return own[0] if len(own) == 1 else None
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) and name in parameters(scope):
                return self._given(scope, name) or parameters(scope)[name]
        return None

    def function_of(self, name: str, node: ast.AST) -> Function | None:
        """Return the function of which a name is a parameter where a node stands; None if it is bound otherwise."""
        for scope in self.scopes(node):
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
                if name in self._bound.get(scope, {}):
                    return None
                if name in parameters(scope):
                    return scope
        return None

    def given(self, function: Function, name: str, call: ast.Call) -> ast.expr | None:
        """Return what a call of a function of this file gives for a parameter; None if nothing."""
        named = list(parameters(function))[1 if isinstance(self.parents.get(function), ast.ClassDef) else 0 :]
        given = dict(zip(named, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
        return given.get(name)

    def called(self, function: Function) -> str:
        """Return what calls of a function name: itself, or its class if it makes that."""
        around = self.parents.get(function)
        return around.name if function.name == "__init__" and isinstance(around, ast.ClassDef) else function.name

    def _given(self, function: Function, name: str) -> ast.expr | None:
        """Return what every call of a function in this file gives for a parameter; None if they differ, or none is."""
        called = self.called(function)
        found: dict[str, ast.expr] = {}
        for call in self.calls:
            own = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if own == called and self.scope(call) is not function:
                given = self.given(function, name, call)
                if given is not None:
                    found[ast.unparse(given)] = given
        return next(iter(found.values())) if len(found) == 1 else None

    def _of_class(self, inner: ast.AST, scope: ast.AST, name: str) -> list[ast.expr | None]:
        is_method = self.parents.get(inner) is scope and isinstance(scope, ast.ClassDef)
        return self._bound[inner].get(name, []) if is_method else []

    def opened(self, name: str, node: ast.AST) -> ast.expr | None:
        """Return what the `with` around a node binds to a name; None if none does."""
        around = self.parents.get(node)
        while around is not None:
            if isinstance(around, ast.With):
                for item in around.items:
                    if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == name:
                        return item.context_expr
            around = self.parents.get(around)
        return None

    def module_value(self, name: str) -> ast.expr | None:
        """Return the one expression that is bound to a name of the top level."""
        bound = self._bound.get(self.tree, {}).get(name, [])
        return bound[0] if len(bound) == 1 else None

    def attributes(self, name: str) -> dict[str, ast.expr]:
        """Return what the body of a class of the top level binds."""
        node = self.definitions.get(name)
        bound = self._bound.get(node, {}) if isinstance(node, ast.ClassDef) else {}
        return {key: values[0] for key, values in bound.items() if len(values) == 1 and values[0] is not None}

    def annotations(self, name: str) -> dict[str, ast.expr]:
        """Return what the body of a class of the top level says of the types of its attributes."""
        node = self.definitions.get(name)
        body = node.body if isinstance(node, ast.ClassDef) else []
        each = (statement for statement in body if isinstance(statement, ast.AnnAssign))
        return {field.target.id: field.annotation for field in each if isinstance(field.target, ast.Name)}


def annotation(function: Function, name: str) -> ast.expr | None:
    """Return the type that a parameter is said to have; None if nothing is said."""
    named = function.args
    every = (*named.posonlyargs, *named.args, *named.kwonlyargs)
    return next((parameter.annotation for parameter in every if parameter.arg == name), None)


def parameters(function: Function) -> dict[str, ast.expr | None]:
    """Return the parameters of a function with their defaults."""
    named = function.args
    by_place = [*named.posonlyargs, *named.args]
    defaults: list[ast.expr | None] = [*[None] * (len(by_place) - len(named.defaults)), *named.defaults]
    found = {parameter.arg: default for parameter, default in zip(by_place, defaults, strict=True)}
    return found | {p.arg: default for p, default in zip(named.kwonlyargs, named.kw_defaults, strict=True)}


def _is_wrapped(value: ast.expr | None, name: str) -> bool:
    """Return whether a name is bound to itself as another kind of mapping: `cfg = EasyDict(cfg)`."""
    if not isinstance(value, ast.Call) or len(value.args) != 1 or ast.unparse(value.args[0]) != name:
        return False
    return ast.unparse(value.func).rpartition(".")[2] in _MAPPINGS


def _grown(node: ast.expr) -> ast.expr | None:
    """Return the list that a call adds to, which then is no longer what was assigned; None for any other call."""
    match node:
        case ast.Call(ast.Attribute(grown, "append" | "extend" | "insert")):
            return grown
    return None


def _names(target: ast.expr) -> Iterator[str]:
    """Yield the names that an assignment binds, those of attributes of `self` as `self.name`."""
    match target:
        case ast.Name(name):
            yield name
        case ast.Attribute(ast.Name("self"), name):
            yield f"self.{name}"
        case ast.Tuple(items) | ast.List(items):
            for item in items:
                yield from _names(item)
        case ast.Starred(value):
            yield from _names(value)
