"""The Python of a repository: modules, scripts, and the cells of notebooks, parsed once, with what their names mean.

A name is followed to a literal as far as the text alone tells: constants that are bound once, defaults of parameters,
of command-line options and of settings classes, and what another file of the repository binds. Nothing is imported.
"""

from __future__ import annotations

import ast
import contextlib
import json
import operator
import os
import re
import tomllib
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial import layout
from seatrial.facts.python.tree import Tree
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LARGEST = 4_000_000  # bytes of a file that is read; notebooks hold pictures
MOST = 2000  # files
_DEEPEST = 12  # steps from a name to its value
_NOT_OURS = {"build", "dist", "node_modules", "__pycache__", "site-packages", ".ipynb_checkpoints", "venv", "env"}
_ABOUT = re.compile(r"torch|timm|albumentations|artifacts_uri|from_path")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+([^\n#]+)", re.MULTILINE)
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


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
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Node → the node that it is a part of."""
        return {part: node for node in ast.walk(self.tree) for part in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """What names stand for that any import of the file binds: `T` → `torchvision.transforms`."""
        found: dict[str, str] = {}
        package = self.module.split(".") if self.path.endswith("__init__.py") else self.module.split(".")[:-1]
        for node in ast.walk(self.tree):
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
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))

    @cached_property
    def _bound(self) -> dict[ast.AST, dict[str, list[ast.expr | None]]]:
        """Scope → name → what is assigned to it there; None for what is no plain assignment."""
        found: dict[ast.AST, dict[str, list[ast.expr | None]]] = {}
        for node in ast.walk(self.tree):
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
        while not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
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
                return bound[0] if len(bound) == 1 else None
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) and name in parameters(scope):
                return self._given(scope, name) or parameters(scope)[name]
        return None

    def _given(self, function: Function, name: str) -> ast.expr | None:
        """Return what every call of a function in this file gives for a parameter; None if they differ, or none is."""
        around = self.parents.get(function)
        is_init = function.name == "__init__" and isinstance(around, ast.ClassDef)
        called = around.name if is_init and isinstance(around, ast.ClassDef) else function.name
        named = list(parameters(function))[1 if isinstance(around, ast.ClassDef) else 0 :]
        found: dict[str, ast.expr] = {}
        for call in self.calls:
            own = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if own != called or self.scope(call) is function:
                continue
            given = dict(zip(named, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
            if name in given:
                found[ast.unparse(given[name])] = given[name]
        return next(iter(found.values())) if len(found) == 1 else None

    def _of_class(self, inner: ast.AST, scope: ast.AST, name: str) -> list[ast.expr | None]:
        is_method = self.parents.get(inner) is scope and isinstance(scope, ast.ClassDef)
        return self._bound[inner].get(name, []) if is_method else []

    def module_value(self, name: str) -> ast.expr | None:
        """Return the one expression that is bound to a name of the top level."""
        bound = self._bound.get(self.tree, {}).get(name, [])
        return bound[0] if len(bound) == 1 else None

    def attributes(self, name: str) -> dict[str, ast.expr]:
        """Return what the body of a class of the top level binds."""
        node = self.definitions.get(name)
        bound = self._bound.get(node, {}) if isinstance(node, ast.ClassDef) else {}
        return {key: values[0] for key, values in bound.items() if len(values) == 1 and values[0] is not None}


@dataclass(frozen=True)
class Scripts:
    """All files of a repository that could be parsed.

    Attributes:
        all: in the order of their paths.
        unreadable: the paths of those that are no valid Python.
    """

    all: Sequence[Script] = ()
    unreadable: Sequence[str] = ()
    _options: dict[str, list[Literal]] = field(default_factory=dict)

    def module(self, name: str) -> Script | None:
        """Return the file of a module, by its dotted name or by the end of it, as scripts beside each other import."""
        found = self._by_module.get(name)
        ends = self._by_end.get(name, []) if found is None else []
        return found or (ends[0] if len(ends) == 1 else None)

    @cached_property
    def _by_module(self) -> dict[str, Script]:
        return {script.module: script for script in reversed(self.all) if script.module}

    @cached_property
    def _by_end(self) -> dict[str, list[Script]]:
        """The end of a dotted name → the modules that have it."""
        found: dict[str, list[Script]] = {}
        for script in self.all:
            parts = script.module.split(".")
            for start in range(1, len(parts)):
                found.setdefault(".".join(parts[start:]), []).append(script)
        return found

    def literal(self, node: ast.expr | None, script: Script, depth: int = 0) -> Literal | None:
        """Return the literal that an expression gives; None if the text does not tell."""
        if node is None or depth > _DEEPEST:
            return None
        if isinstance(node, ast.Constant):
            return Literal(node.value, script.location(node))
        if isinstance(node, ast.Tuple | ast.List):
            each = [self.literal(item, script, depth + 1) for item in node.elts]
            kind = tuple if isinstance(node, ast.Tuple) else list
            known = [item.value for item in each if item]
            return Literal(kind(known), script.location(node)) if len(known) == len(each) else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.literal(node.operand, script, depth + 1)
            return Literal(-inner.value, inner.location) if inner and isinstance(inner.value, int | float) else None
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node, script, depth)
        if isinstance(node, ast.Name):
            return self._name(node, script, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, script, depth)
        if isinstance(node, ast.Subscript):
            return self._item(node, script, depth)
        if isinstance(node, ast.Call) and script.name(node.func) in ("int", "str", "float") and len(node.args) == 1:
            return self.literal(node.args[0], script, depth + 1)
        if isinstance(node, ast.Call) and script.name(node.func) == "len" and len(node.args) == 1:
            inner = self.literal(node.args[0], script, depth + 1)
            return (
                Literal(len(inner.value), inner.location) if inner and isinstance(inner.value, list | tuple) else None
            )
        return None

    def _arithmetic(self, node: ast.BinOp, script: Script, depth: int) -> Literal | None:
        left, right = (self.literal(side, script, depth + 1) for side in (node.left, node.right))
        computes = _ARITHMETIC.get(type(node.op))
        if not (left and right and computes):
            return None
        numbers = isinstance(left.value, int | float) and isinstance(right.value, int | float)
        if not numbers or (type(node.op) in (ast.Div, ast.FloorDiv) and not right.value):
            return None
        return Literal(computes(left.value, right.value), left.location)

    def _name(self, node: ast.Name, script: Script, depth: int) -> Literal | None:
        if bound := script.bound(node.id, node):
            return self.literal(bound, script, depth + 1)
        module, _, name = script.imports.get(node.id, "").rpartition(".")
        other = self.module(module) if module else None
        return self.literal(other.module_value(name), other, depth + 1) if other and other is not script else None

    def _attribute(self, node: ast.Attribute, script: Script, depth: int) -> Literal | None:
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            if bound := script.bound(f"self.{node.attr}", node):
                return self.literal(bound, script, depth + 1)
            return self.option(node.attr, script)
        base = script.name(node.value)
        for other in (script, *self.all):
            settings = other.attributes(base.rpartition(".")[2])
            if node.attr in settings:
                return self.literal(settings[node.attr], other, depth + 1)
        home = self.module(base)
        if home and (value := home.module_value(node.attr)):
            return self.literal(value, home, depth + 1)
        return self.option(node.attr, script) if isinstance(node.value, ast.Name) else None

    def _item(self, node: ast.Subscript, script: Script, depth: int) -> Literal | None:
        key = self.literal(node.slice, script, depth + 1)
        table: ast.expr | None = None
        if isinstance(node.value, ast.Name):
            table = script.bound(node.value.id, node)
        elif isinstance(node.value, ast.Dict):
            table = node.value
        if key and isinstance(table, ast.Dict):
            for name, value in zip(table.keys, table.values, strict=True):
                if isinstance(name, ast.Constant) and name.value == key.value:
                    return self.literal(value, script, depth + 1)
        if key and table is not None and isinstance(key.value, int):
            whole = self.literal(table, script, depth + 1)
            if whole and isinstance(whole.value, list | tuple) and -len(whole.value) <= key.value < len(whole.value):
                return Literal(whole.value[key.value], whole.location)
        return None

    def option(self, name: str, script: Script) -> Literal | None:
        """Return the default of a command-line option; of several files the script's own counts first."""
        found = self._all_options().get(name, [])
        own = [literal for literal in found if literal.location.path == script.path]
        each = own or found
        return each[0] if each and all(other.value == each[0].value for other in each) else None

    def _all_options(self) -> dict[str, list[Literal]]:
        if not self._options:
            self._options[""] = []
            for script in self.all:
                for call in script.calls:
                    if isinstance(call.func, ast.Attribute) and call.func.attr in ("add_argument", "option"):
                        self._add_option(call, script)
        return self._options

    def _add_option(self, call: ast.Call, script: Script) -> None:
        flags = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        named = given.get("dest")
        long = [flag for flag in flags if flag.startswith("--")] or flags
        if not long or "default" not in given:
            return
        name = named.value if isinstance(named, ast.Constant) else long[0].lstrip("-").replace("-", "_")
        default = self.literal(given["default"], script)
        if default is not None and default.value is not None:
            self._options.setdefault(str(name), []).append(Literal(default.value, script.location(call)))


def parameters(function: Function) -> dict[str, ast.expr | None]:
    """Return the parameters of a function with their defaults."""
    named = function.args
    by_place = [*named.posonlyargs, *named.args]
    defaults: list[ast.expr | None] = [*[None] * (len(by_place) - len(named.defaults)), *named.defaults]
    found = {parameter.arg: default for parameter, default in zip(by_place, defaults, strict=True)}
    return found | {p.arg: default for p, default in zip(named.kwonlyargs, named.kw_defaults, strict=True)}


def read_scripts(root: Path, about: re.Pattern[str] = _ABOUT) -> Scripts:
    """Read the Python files and notebooks below a folder that are about torch, and those that they import.

    `about` is searched in them; by default it finds what is about torch. No environment, build or hidden folder is
    read, and no tests.
    """
    read: list[Script] = []
    unreadable: list[str] = []
    folders = layout.folders(_tool(root))
    texts = dict(_texts(root, unreadable))
    for path in sorted(_chosen(texts, about))[:MOST]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an invalid escape in a user's string
                tree = ast.parse(texts[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            unreadable.append(path)
            continue
        read.append(Script(path, _module_of(root, folders, path), texts[path], tree))
    return Scripts(tuple(read), tuple(unreadable))


def _texts(root: Path, unreadable: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the path and the source of every file; what is no notebook in spite of its name is unreadable."""
    for path in (*Tree(root).scripts(), *_notebooks(root)):
        file = root / path
        if {"tests", "test"} & set(path.split("/")[:-1]) or file.stat().st_size > LARGEST:
            continue
        try:
            yield path, _cells(file) if path.endswith(".ipynb") else file.read_text("utf-8-sig", errors="replace")
        except (ValueError, OSError, TypeError, KeyError, AttributeError, RecursionError):
            unreadable.append(path)


def _chosen(texts: Mapping[str, str], about: re.Pattern[str]) -> set[str]:
    """Return the paths of the files that name what is looked for, and of those that they import by name."""
    found = {path for path, text in texts.items() if about.search(text)}
    by_name: dict[str, list[str]] = {}
    for path in texts:
        stem = path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]
        by_name.setdefault(stem, []).append(path)
    for _ in range(2):  # a script, its settings, and what these import
        lines = {line for path in found for line in _IMPORT.findall(texts[path])}
        names = {name for line in lines for name in re.findall(r"\w+", line)}
        found |= {path for name in names for path in by_name.get(name, ())}
    return found


def _notebooks(root: Path) -> Iterator[str]:
    """Yield the paths of the notebooks below a folder."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_OURS)
        inside = Path(folder).relative_to(root)
        yield from ((inside / name).as_posix() for name in names if name.endswith(".ipynb"))


def _cells(file: Path) -> str:
    """Return the code of a notebook as one text; lines for IPython are left empty, and cells that are no Python out."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    texts = []
    for cell in cells:
        if cell.get("cell_type") != "code":
            continue
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        lines = ["" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()]
        try:
            ast.parse("\n".join(lines))
        except (SyntaxError, ValueError):
            continue
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def _tool(root: Path) -> dict[str, Any]:
    """Return [tool] of pyproject.toml; empty if there is none that can be read."""
    with contextlib.suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool")
        return tool if isinstance(tool, dict) else {}
    return {}


def _module_of(root: Path, folders: Sequence[str], path: str) -> str:
    """Return the dotted name of a file; "" if it has none. A folder that is a package itself is a part of the name."""
    plain = path.removesuffix(".py").removesuffix("/__init__")
    for folder in folders:
        if folder and plain.startswith(f"{folder}/") and not (root / folder / "__init__.py").exists():
            plain = plain.removeprefix(f"{folder}/")
            break
    parts = plain.split("/")
    return ".".join(parts) if path.endswith(".py") and all(part.isidentifier() for part in parts) else ""


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
