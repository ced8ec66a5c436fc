"""What a walk over one module notes: imports, names, calls and reads, each with the block that it is in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from seatrial.facts.python.module import Import
from seatrial.facts.python.places import dotted
from seatrial.facts.python.scopes import Scope

if TYPE_CHECKING:
    from seatrial.facts.python.scopes import Binding
    from seatrial.facts.python.versions import VersionTest
    from seatrial.findings import Location

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


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


class Notes:
    """The notes about one module.

    Attributes:
        module: its scope.
        imports: in the order of lines.
        beyond: relative imports that leave the top-level package.
        names: every name that is bound at its top level.
        definitions: its top-level classes and functions.
        open: whether it may bind names that cannot be read.
        scopes: its classes and functions, with their statements.
        calls, reads, stores: those of its expressions; a store is an assignment to an attribute of another object.
        stars: the modules of which it imports `*`.
        importers: what imports the module that its first argument names.
    """

    def __init__(self, name: str, package: str) -> None:
        self.module = Scope("module", "", None, name)
        self.imports: list[Import] = []
        self.beyond: list[Import] = []
        self.names: set[str] = set()
        self.definitions: dict[str, Location] = {}
        self.open = False
        self.scopes: list[tuple[Scope, Definition]] = []
        self.calls: list[tuple[ast.Call, Block]] = []
        self.reads: list[tuple[ast.Attribute, Block]] = []
        self.stores: list[tuple[ast.Attribute, Block]] = []
        self.stars: list[str] = []
        self.importers = {"__import__"}
        self._package = package

    def bind(self, name: str, binding: Binding, block: Block) -> None:
        """Note that something is bound to a name."""
        scope = block.scope
        scope.bind(name, binding)
        if scope is self.module:
            self.names.add(name)

    def store(self, target: ast.Attribute, value: ast.expr | None, block: Block) -> None:
        """Note an assignment to an attribute of `self` or of another object."""
        scope = block.scope
        owner = scope.method_of()
        if owner and isinstance(target.value, ast.Name) and target.value.id in _receivers(scope):
            owner.attributes.setdefault(target.attr, []).append((value, scope))
        elif dotted(target):
            self.stores.append((target, block))

    def imported(self, module: str, names: tuple[str, ...], location: Location, block: Block) -> Import:
        """Return an import with what its block says of it."""
        return Import(
            module=module,
            names=names,
            location=location,
            optional=block.optional,
            typing_only=block.typing_only,
            lazy=block.lazy,
            function=block.scope.runs_in().qualname,
            guarded=bool(block.tests),
            versions=block.versions,
        )

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the dotted name of the module of which an import takes names; "" if it leaves the package."""
        if not node.level:
            return node.module or ""
        parts = self._package.split(".") if self._package else []
        if node.level > len(parts):
            return ""  # beyond the top-level package: Python refuses it before any module is looked for
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def _receivers(scope: Scope) -> set[str]:
    """Return the names of `self` in a method and in the functions inside it."""
    found = set()
    around: Scope | None = scope
    while around and around.kind == "function":
        found.add(around.receiver)
        around = around.parent
    return found
