"""class_changes.json: since and until when torch and torchvision have modules, classes and attributes of their objects.

Classes are read by ast out of the wheels, and nothing is imported. About two megabytes of each wheel are downloaded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from packaging.version import Version

from tools.tables.releases import Table, last_of_each_minor, minor, modules, releases, span

OLDEST = {"torch": Version("1.7"), "torchvision": Version("0.5")}  # the first whose classes are read
PARTS = {"torch": "torch/nn/modules/", "torchvision": "torchvision/"}
NOT_SERVED = ("torchvision/prototype/", "torchvision/datasets/")
NEVER_SERVES = ("__init__", "__repr__", "extra_repr", "reset_parameters", "_reset_parameters", "get_params")


def made(_: Table) -> Table:
    """Return the table as it is now.

    Raises:
        OSError, ValueError: a wheel could not be read.
    """
    changes = {name: changed(read(name)) for name in PARTS}
    source = "the classes of torch.nn.modules and torchvision in their published wheels, one of each minor version"
    return {"source": source, **changes}


@dataclass
class Class:
    """A class: what __init__ always sets, what serving reads and nothing else gives, and whether it is a Module."""

    sets: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    is_module: bool = False


@dataclass
class Contents:
    """A distribution of one version: its classes, and by module what it binds, exports and imports by `*`."""

    classes: dict[str, Class] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    exports: dict[str, set[str]] = field(default_factory=dict)
    stars: dict[str, list[str]] = field(default_factory=dict)


def read(name: str) -> dict[str, Contents]:
    """Read the classes of the last release of every minor version of a distribution: minor version → its contents."""
    part = PARTS[name]
    found = {}
    for version, wheels in last_of_each_minor(releases(name, OLDEST[name])).items():
        files = modules(wheels[0], lambda path: path.startswith(part) and not path.startswith(NOT_SERVED))
        found[minor(version)] = contents_of(files)
    return found


def contents_of(files: Mapping[str, bytes]) -> Contents:
    """Read the modules of a distribution: path in its wheel → content.

    Raises:
        ValueError: there are none, or one is not Python.
    """
    if not files:
        raise ValueError("a wheel without the modules that are read")
    contents = Contents()
    for path, content in sorted(files.items()):
        file = PurePosixPath(path)
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        try:
            tree = ast.parse(content)
        except SyntaxError as error:
            raise ValueError(f"{path}: {error}") from None
        _read_module(tree, module, module if file.stem == "__init__" else module.rpartition(".")[0], contents)
    for _ in range(3):  # `*` may import what came by another `*`
        for module, others in contents.stars.items():
            for other in others:
                public = {name for name in contents.names.get(other, ()) if not name.startswith("_")}
                contents.names[module] |= contents.exports.get(other) or public
    return contents


def _read_module(tree: ast.Module, module: str, package: str, contents: Contents) -> None:
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                star = ".".join([*above, *([node.module] if node.module else [])])
                contents.stars.setdefault(module, []).append(star)
            case ast.Assign(targets=[ast.Name("__all__")], value=ast.List(elts=listed)):
                contents.exports[module] = {str(n.value) for n in listed if isinstance(n, ast.Constant)}
            case ast.ClassDef() | ast.FunctionDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
    contents.names[module] = names
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own = Class(is_module=any(ast.unparse(base).endswith("Module") for base in node.bases))
            contents.classes[f"{module}.{node.name}"] = own
            given = {target.id for s in node.body for target in _targets(s) if isinstance(target, ast.Name)}
            for method in (s for s in node.body if isinstance(s, ast.FunctionDef)):
                given.add(method.name)
                if method.name == "__init__":
                    own.sets |= {t.attr for s in method.body for t in _targets(s) if isinstance(t, ast.Attribute)}
                elif method.name == "__setstate__":
                    given |= {str(n.value) for n in ast.walk(method) if isinstance(n, ast.Constant)}
                    given |= {n.attr for n in ast.walk(method) if isinstance(n, ast.Attribute)}
                elif method.name not in NEVER_SERVES:
                    own.reads |= {name for n in ast.walk(method) for name in _own(n)}
            own.reads -= given


def _targets(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield what a statement assigns to; a bare annotation assigns nothing."""
    match statement:
        case ast.Assign():
            yield from statement.targets
        case ast.AnnAssign(value=ast.expr()):
            yield statement.target


def _own(node: ast.AST) -> Iterator[str]:
    """Yield the attribute of `self` that a node reads."""
    match node:
        case ast.Attribute(value=ast.Name("self"), attr=name, ctx=ast.Load()):
            yield name


def changed(found: Mapping[str, Contents]) -> Table:
    """Return the first and last version read, where modules and classes exist, and which attributes came later.

    `modules` and `classes` map a name to [since, until]; `attributes` maps a class to the attributes that objects of an
    earlier version lack and that this one needs, likewise. What never changed is left out.
    """
    versions = list(found)
    modules = {
        module: lasted
        for module in sorted({m for c in found.values() for m in c.names})
        if (lasted := span([module in found[v].names for v in versions], versions)) != [None, None]
    }
    classes: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name in sorted({n for c in found.values() for n in c.classes}):
        module, _, own = name.rpartition(".")
        there = [own in found[v].names.get(module, ()) for v in versions]
        if (lasted := span(there, versions)) not in ([None, None], modules.get(module)):
            classes[name] = lasted
        later = _later([found[v].classes.get(name) for v in versions], versions)
        if later:
            attributes[name] = later
    return {
        "first": versions[0],
        "last": versions[-1],
        "modules": modules,
        "classes": classes,
        "attributes": attributes,
    }


def _later(history: list[Class | None], versions: list[str]) -> dict[str, list[str | None]]:
    """Return the attributes of a class that it has not always had."""
    later: dict[str, list[str | None]] = {}
    for (before, now), at in zip(pairwise(history), range(1, len(versions)), strict=True):
        if before is None or now is None:
            continue
        for name in sorted((now.sets & now.reads) - before.sets):
            rest = [bool(c and name in c.sets & c.reads) for c in history[at:]]
            until = versions[at + rest.index(False)] if False in rest else None
            later[name] = [versions[at], until]
        if now.is_module and not before.is_module:
            later["_backward_hooks"] = [versions[at], None]  # torch.nn.Module.__call__ reads it
    return later
