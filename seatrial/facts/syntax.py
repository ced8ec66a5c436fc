"""One Python file as facts, by ast: its imports with their places, and the names that it defines.

It knows nothing of the project around the file, and nothing is imported or run.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CATCHES_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
CHOOSES_PLATFORM = {"sys.version_info", "sys.platform", "os.name", "platform.system"}


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement's one target.

    Attributes:
        module: the absolute dotted name that is imported, or that names are imported from.
        names: what `from module import …` takes, `*` included; empty for `import module`.
        location: the target in its line.
        optional: inside a try that catches ImportError, its handlers, or a branch on platform or version.
        typing_only: under TYPE_CHECKING or under `if __name__ == "__main__"`: not executed when served.
        lazy: inside a function.
    """

    module: str
    names: tuple[str, ...]
    location: Location
    optional: bool = False
    typing_only: bool = False
    lazy: bool = False

    @property
    def runs(self) -> bool:
        """Whether serving can execute it at all."""
        return not self.typing_only

    def candidates(self) -> tuple[str, ...]:
        """Give every dotted name that may be a module here: `from a import b` may import `a.b`."""
        return (self.module, *(f"{self.module}.{name}" for name in self.names if name != "*"))


@dataclass(frozen=True, slots=True)
class Module:
    """One file.

    Attributes:
        name: its dotted name.
        path: relative to the project.
        is_package: whether it is an `__init__.py`.
        imports: in the order of lines.
        names: every name that it binds at its top level.
        definitions: its top-level classes and functions, with the place of their name.
        open: it may bind names that cannot be read (`from x import *`, `__getattr__`, `globals()`, exec).
        unmapped_loads: its calls of `torch.load` that give no map_location.
    """

    name: str
    path: str
    is_package: bool
    imports: tuple[Import, ...]
    names: frozenset[str]
    definitions: Mapping[str, Location]
    open: bool
    unmapped_loads: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """A file that is no Python of the tool's own version: why, and where."""

    message: str
    location: Location


def read_module(file: Path, name: str, path: str) -> Module | SyntaxFault:
    """Read one file; `name` is its dotted name and `path` what locations shall say."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a user's string is no fault of the project
            tree = ast.parse(file.read_bytes(), filename=path)
    except SyntaxError as error:
        column, end = error.offset or None, error.end_offset or 0
        on_one_line = error.end_lineno == error.lineno and end > (column or 0)
        return SyntaxFault(error.msg, Location(path, error.lineno, column, end if on_one_line else None))
    except ValueError as error:  # NUL bytes; an encoding that cannot be decoded
        return SyntaxFault(str(error), Location(path))
    except (MemoryError, RecursionError):  # how Python refuses what its own parser cannot hold
        return SyntaxFault("an expression or a block is nested too deeply", Location(path))
    is_package = file.name == "__init__.py"
    package = name if is_package else name.rpartition(".")[0]
    reader = _Reader(path, package)
    reader.visit(tree)
    return Module(
        name=name,
        path=path,
        is_package=is_package,
        imports=tuple(reader.imports),
        names=frozenset(reader.names),
        definitions=reader.definitions,
        open=reader.open,
        unmapped_loads=tuple(reader.unmapped_loads),
    )


class _Reader(ast.NodeVisitor):
    """Walks one file and keeps in which kind of block it is.

    Statements nest by recursion, which Python limits to 100 levels of indentation. Expressions and chains of elif
    may be thousands deep, so they are walked in loops.
    """

    def __init__(self, path: str, package: str) -> None:
        self.imports: list[Import] = []
        self.names: set[str] = set()
        self.definitions: dict[str, Location] = {}
        self.open = False
        self.unmapped_loads: list[Location] = []
        self._path = path
        self._package = package
        self._block = Import("", (), Location(path))  # the flags that an import here has
        self._in_scope_of_module = True

    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, ast.expr):
            super().visit(node)
            return
        for part in ast.walk(node):  # no statement and no scope that counts here lies inside an expression
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self._bind(part.id)
            elif isinstance(part, ast.Call):
                self._call(part)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(alias.name, (), _place(self._path, alias))
            self._bind(alias.asname or alias.name.split(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = self._absolute(node)
        names = tuple(alias.name for alias in node.names)
        self._import(module, names, _place(self._path, node))
        for alias in node.names:
            if alias.name == "*":
                self.open = self.open or self._in_scope_of_module
            else:
                self._bind(alias.asname or alias.name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._define(node, node.name, "def ")
        self.open = self.open or (self._in_scope_of_module and node.name == "__getattr__")
        before, in_module = self._block, self._in_scope_of_module
        for outside in (*node.decorator_list, node.args):
            self.visit(outside)
        self._block, self._in_scope_of_module = replace(before, lazy=True), False
        for statement in node.body:
            self.visit(statement)
        self._block, self._in_scope_of_module = before, in_module

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node, node.name, "class ")
        in_module, self._in_scope_of_module = self._in_scope_of_module, False
        self.generic_visit(node)
        self._in_scope_of_module = in_module

    def visit_Global(self, node: ast.Global) -> None:
        self.names.update(node.names)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        guarded = any(_catches_import(handler.type) for handler in node.handlers)
        with_flags = replace(self._block, optional=self._block.optional or guarded)
        self._visit_in(with_flags, [*node.body, *node.handlers])
        for statement in (*node.orelse, *node.finalbody):
            self.visit(statement)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self.visit_Try(node)

    def visit_With(self, node: ast.With) -> None:
        suppresses = any(
            isinstance(call := item.context_expr, ast.Call)
            and _dotted(call.func).endswith("suppress")
            and any(_catches_import(argument) for argument in call.args)
            for item in node.items
        )
        for item in node.items:
            self.visit(item)
        self._visit_in(replace(self._block, optional=self._block.optional or suppresses), node.body)

    def visit_If(self, node: ast.If) -> None:
        before = self._block
        while True:
            self.visit(node.test)
            inside = [_dotted(part) for part in ast.walk(node.test)]
            never = inside[0].endswith("TYPE_CHECKING") or _is_main_guard(node.test)
            chosen = any(name in CHOOSES_PLATFORM for name in inside)
            self._block = replace(self._block, optional=self._block.optional or chosen)
            self._visit_in(replace(self._block, typing_only=self._block.typing_only or never), node.body)
            match node.orelse:
                case [ast.If() as node]:  # elif: the next link of the chain
                    continue
                case rest:
                    self._visit_in(self._block, rest)
                    break
        self._block = before

    def _visit_in(self, block: Import, nodes: list[ast.stmt] | list[ast.AST]) -> None:
        before, self._block = self._block, block
        for node in nodes:
            self.visit(node)
        self._block = before

    def _import(self, module: str, names: tuple[str, ...], location: Location) -> None:
        if module:
            self.imports.append(replace(self._block, module=module, names=names, location=location))

    def _call(self, node: ast.Call) -> None:
        called = _dotted(node.func)
        self.open = self.open or called in ("globals", "exec", "setattr", "vars")
        given = any(keyword.arg in ("map_location", None) for keyword in node.keywords) or len(node.args) > 1
        if called == "torch.load" and not given:
            self.unmapped_loads.append(_place(self._path, node))

    def _bind(self, name: str) -> None:
        if self._in_scope_of_module:
            self.names.add(name)

    def _define(self, node: ast.stmt, name: str, keyword: str) -> None:
        if self._in_scope_of_module:
            self.names.add(name)
            is_async = isinstance(node, ast.AsyncFunctionDef)
            column = node.col_offset + len("async " if is_async else "") + len(keyword) + 1
            self.definitions[name] = Location(self._path, node.lineno, column, column + len(name))

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self._package.split(".") if self._package else []
        if node.level > len(parts):
            return ""  # beyond the top-level package: Python refuses it before any module is looked for
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def _place(path: str, node: ast.stmt | ast.expr | ast.alias) -> Location:
    one_line = node.end_lineno == node.lineno and node.end_col_offset is not None
    end = (node.end_col_offset or 0) + 1 if one_line else None
    return Location(path, node.lineno, node.col_offset + 1, end)


def _dotted(node: ast.AST) -> str:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join(reversed([*names, node.id])) if isinstance(node, ast.Name) else ""


def _catches_import(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(_dotted(one) in CATCHES_IMPORT for one in each)


def _is_main_guard(test: ast.expr) -> bool:
    parts = (test.left, *test.comparators) if isinstance(test, ast.Compare) else ()
    return any(_dotted(part) == "__name__" for part in parts)
