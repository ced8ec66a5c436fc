"""The names that a module of a library defines, read by ast; nothing is imported.

A name that any branch binds counts as defined, so that only what no branch binds is missing. `open` says that the
module may define more than its text shows.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_LARGEST = 4_194_304  # bytes of a module; the largest that people wrote have one million
_DYNAMIC = re.compile(rb"\b(?:global |exec\(|eval\(|setattr\(|modules\b|meta_path|import_module|__import__)")
_CHANGED = re.compile(rb"\b__all__\s*(?:\.|\[|\+=|\+|:)|=\s*__all__\b|\b(?:del|global)\s+__all__\b")
_NAMES = re.compile(rb"\b(?:globals|locals|vars)\(\)")


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Defined:
    """What a module's text defines.

    Attributes:
        module: its dotted name.
        is_package: whether it is an `__init__.py`.
        bound: the names that it binds → the dotted name that an import binds each to; "" for anything else.
        stars: the modules of which it imports `*`, as dotted names.
        exported: the names in its `__all__`; None if it has none that the text shows.
        open: whether it may define names that the text does not show.
        fallback: its `__getattr__`, if it has one that is written out.
        definitions: its top-level classes and functions; of several of one name the first.
        tables: its top-level dictionaries, sets and lists of texts: name → text → text that belongs to it, or "".
        statements: its top level.
        content: its text.
    """

    module: str
    is_package: bool
    bound: Mapping[str, str]
    stars: tuple[str, ...]
    exported: frozenset[str] | None
    open: bool
    fallback: ast.FunctionDef | None
    definitions: Mapping[str, Definition]
    tables: Mapping[str, Mapping[str, str]]
    statements: tuple[ast.stmt, ...]
    content: bytes = field(repr=False)


def read(content: bytes, module: str, *, is_package: bool) -> Defined | None:
    """Return what a module's source defines; None if it cannot be parsed."""
    if len(content) > _LARGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    found = _Found(module, module if is_package else module.rpartition(".")[0], has_walrus=b":=" in content)
    found.block(tree.body)
    if _CHANGED.search(content):
        found.exported = None
    gives_away = _NAMES.search(content) is not None
    if gives_away or _DYNAMIC.search(content):
        found.dynamic(tree, gives_away=gives_away)
    return Defined(
        module, is_package, found.bound, tuple(dict.fromkeys(found.stars)), found.exported, found.open,
        found.fallback, found.definitions, found.tables, tuple(tree.body), content,
    )  # fmt: skip


def absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the dotted name of the module that a `from` imports from; "" if it is above every package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    if not package or node.level > len(parts):
        return ""
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


@dataclass
class _Found:
    """What is found while a module's statements are read."""

    module: str
    package: str
    has_walrus: bool
    bound: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    exported: frozenset[str] | None = None
    open: bool = False
    fallback: ast.FunctionDef | None = None
    definitions: dict[str, Definition] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import(names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    self._bind(alias.asname or top, alias.name if alias.asname else top)
            case ast.ImportFrom(names=names):
                self._from(node, names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._bind(name)
                self.definitions.setdefault(name, node)
                if name == "__getattr__" and isinstance(node, ast.FunctionDef):
                    self.open = self.open or self.fallback is not None
                    self.fallback = node
            case ast.ClassDef(name=name):
                self._bind(name)
                self.definitions.setdefault(name, node)
            case ast.Assign(targets, value):
                self._assign(targets, value)
            case ast.For() | ast.AsyncFor():
                self._targets([node.target])
                self.block([*node.body, *node.orelse])
            case ast.With() | ast.AsyncWith():
                self._targets([item.optional_vars for item in node.items if item.optional_vars])
                self.block(node.body)
            case ast.If() | ast.While():
                self.block([*node.body, *node.orelse])
            case ast.Try() | ast.TryStar():
                self.block([*node.body, *(s for h in node.handlers for s in h.body), *node.orelse, *node.finalbody])
            case ast.Match(cases=cases):
                self.block([statement for case in cases for statement in case.body])
            case ast.AnnAssign(target) | ast.AugAssign(target):
                self._targets([target])
                if isinstance(node, ast.AnnAssign) and node.value:
                    self._assign([node.target], node.value)
        if isinstance(node, ast.Assign | ast.Expr) and self.has_walrus:
            self._targets([part.target for part in ast.walk(node) if isinstance(part, ast.NamedExpr)])

    def _from(self, node: ast.ImportFrom, names: list[ast.alias]) -> None:
        source = absolute(node, self.package)
        for alias in names:
            if alias.name == "*":
                self.stars.append(source)
                self.open = self.open or not source
            else:
                self._bind(alias.asname or alias.name, f"{source}.{alias.name}" if source else "")

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        self._targets(targets)
        for target in targets:
            if isinstance(target, ast.Name):
                texts = _texts(value)
                if target.id == "__all__":
                    self.exported = None if texts is None else frozenset(texts)
                elif texts:
                    self.tables[target.id] = texts

    def _targets(self, targets: list[ast.expr]) -> None:
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    if part.id in ("__getattr__", "__class__"):
                        self.open = True  # lazy loaders
                    self._bind(part.id)

    def _bind(self, name: str, target: str = "") -> None:
        known = self.bound.get(name)
        self.bound[name] = target if known is None or known == target else ""

    def dynamic(self, tree: ast.Module, *, gives_away: bool) -> None:
        """Note what functions bind in the module, and what may bind names that no statement spells."""
        modules = {"modules"}
        spelled: set[ast.AST] = set()  # what binds names, and was understood
        for node in ast.walk(tree):
            match node:
                case ast.Global(names):
                    for name in names:
                        self._bind(name)
                case ast.Assign([ast.Name(name)], value) if _may_be_a_module(value, modules):
                    modules.add(name)
                case ast.For():
                    spelled |= self._looped(node, {})
                case ast.Call(ast.Name("exec" | "eval"), [_, *_]) | ast.Attribute(attr="meta_path"):
                    self.open = True
                case ast.Call(ast.Name("setattr"), [first, ast.Constant(str(name)), _]):
                    if _may_be_a_module(first, modules):
                        self._bind(name)
                case ast.Call(ast.Name("setattr"), [first, *_]) if node not in spelled:
                    self.open = self.open or _may_be_a_module(first, modules)
                case ast.Subscript(ast.Attribute(attr="modules"), ast.Name("__name__"), ast.Store()):
                    self.open = True
                case ast.Attribute(ast.Subscript(ast.Attribute(attr="modules")), "__class__", ast.Store()):
                    self.open = True
        self.open = self.open or (gives_away and self._gives_away_its_names(tree, spelled))

    def _looped(self, loop: ast.For, outer: dict[str, frozenset[str]]) -> set[ast.AST]:
        """Bind what a loop over texts, or over the members of classes of the module, binds; return what binds it."""
        if not isinstance(loop.target, ast.Name):
            return set()
        names = self._members(loop.iter, outer)
        if names is None:
            return set()
        known, found = {**outer, loop.target.id: names}, set[ast.AST]()
        for node in (part for statement in loop.body for part in ast.walk(statement)):
            match node:
                case ast.For() if node is not loop:
                    found |= self._looped(node, known)
                case (
                    ast.Call(ast.Name("setattr"), [_, ast.Name(variable), _])
                    | ast.Call(ast.Name("setattr"), [_, ast.Attribute(ast.Name(variable), "name"), _])
                    | ast.Subscript(ast.Call(ast.Name("globals")), ast.Name(variable), ast.Store())
                ) if variable in known:  # fmt: skip
                    for name in known[variable]:
                        self._bind(name)
                    found.add(node)
        return found

    def _members(self, over: ast.expr, outer: dict[str, frozenset[str]]) -> frozenset[str] | None:
        if (texts := _texts(over)) is not None:
            return frozenset(texts)
        if isinstance(over, ast.Name):
            if over.id in self.tables:
                return frozenset(self.tables[over.id])
            own = self.definitions.get(over.id)
            return outer.get(over.id, _attributes(own) if isinstance(own, ast.ClassDef) else None)
        if isinstance(over, ast.Tuple | ast.List):
            each = [self._members(element, outer) for element in over.elts]
            return None if None in each else frozenset(name for names in each for name in names or ())
        return None

    def _gives_away_its_names(self, tree: ast.Module, spelled: set[ast.AST]) -> bool:
        """Return whether the module's dictionary of names may be changed: `globals()` is stored to, or passed on."""
        parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
        for node, parent in parents.items():
            match node:
                case ast.Call(ast.Name("globals" | "vars" | "locals"), []):
                    match parent:
                        case ast.Subscript(slice=ast.Constant(str(name)), ctx=ast.Store()):
                            self._bind(name)
                        case ast.Subscript(ctx=ast.Load()) | ast.Compare() | ast.Call(ast.Name("__import__")):
                            continue
                        case ast.Attribute(attr="get" | "keys" | "items" | "values" | "copy"):
                            continue
                        case _ if parent not in spelled:
                            return True
        return False


def _texts(value: ast.expr) -> dict[str, str] | None:
    """Return the texts of a literal collection, each with the text that belongs to it; None if it is none."""
    match value:
        case ast.Dict(keys, values):
            pairs: Iterator[tuple[ast.expr | None, ast.expr | None]] = zip(keys, values, strict=True)
        case ast.Set(elts) | ast.List(elts) | ast.Tuple(elts):
            pairs = ((element, None) for element in elts)
        case ast.Call(ast.Name("set" | "frozenset" | "list" | "tuple"), [inner], []):
            return _texts(inner)
        case _:
            return None
    found: dict[str, str] = {}
    for key, belonging in pairs:
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return None
        is_text = isinstance(belonging, ast.Constant) and isinstance(belonging.value, str)
        found[key.value] = belonging.value if is_text else ""  # type: ignore[union-attr]
    return found


def _may_be_a_module(node: ast.expr, modules: set[str]) -> bool:
    """Return whether an expression may be a module: an item of sys.modules, or what an import function returned."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and part.attr in ("modules", "import_module"):
            return True
        if isinstance(part, ast.Name) and (part.id in modules or part.id in ("import_module", "__import__")):
            return True
    return False


def _attributes(node: ast.ClassDef) -> frozenset[str]:
    assigned = (t for s in node.body if isinstance(s, ast.Assign) for t in s.targets)
    return frozenset(target.id for target in assigned if isinstance(target, ast.Name))
