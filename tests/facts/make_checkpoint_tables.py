"""Writes seatrial/facts/tables/weights_only.json and class_changes.json from published wheels.

`python tests/facts/make_checkpoint_tables.py FOLDER` keeps what it downloads in FOLDER: some 10 GB pass through it, a
tenth stays. It never runs in the tests. Classes are read by ast; only the list of what torch.load allows is asked of
torch itself, in an environment of its own for each version.
"""

from __future__ import annotations

import ast
import datetime
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parents[2] / "seatrial" / "facts" / "tables"
MAC, MAC_ARM, LINUX = "x86_64-apple-darwin", "aarch64-apple-darwin", "x86_64-manylinux_2_28"
# The last patch release of each minor version, on a platform and a Python that have a small wheel of it.
TORCH = {
    **dict.fromkeys(("1.7.1", "1.8.1", "1.9.1", "1.10.2", "1.11.0", "1.12.1", "1.13.1"), (MAC, "3.9")),
    **dict.fromkeys(("2.0.1", "2.1.2", "2.2.2"), (MAC, "3.10")),
    **dict.fromkeys(("2.3.1", "2.4.1", "2.5.1"), (MAC_ARM, "3.10")),
}
TORCH_ASKED = ("2.6.0", "2.7.1", "2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.0", "2.13.0", "2.14.1", "2.15.0")
TORCHVISION = {
    **dict.fromkeys(("0.5.0", "0.6.1", "0.7.0", "0.8.2"), (MAC, "3.8")),
    **dict.fromkeys(("0.9.1", "0.10.1", "0.11.3", "0.12.0", "0.13.1", "0.14.1"), (MAC, "3.9")),
    **dict.fromkeys(("0.15.2", "0.16.2", "0.17.2"), (MAC, "3.10")),
    **dict.fromkeys(("0.18.1", "0.19.1", "0.20.1", "0.21.0", "0.22.1", "0.23.0", "0.24.1", "0.25.0"), (LINUX, "3.11")),
    **dict.fromkeys(("0.26.0", "0.27.1", "0.28.0", "0.29.2"), (LINUX, "3.11")),
}
ASK = "import json, torch._weights_only_unpickler as u; print(json.dumps(sorted(u._get_allowed_globals())))"
NOT_SERVED = ("torchvision.prototype", "torchvision.datasets")
NEVER_SERVES = ("__init__", "__repr__", "extra_repr", "reset_parameters", "_reset_parameters", "get_params")


def refresh(folder: Path) -> None:
    """Download what `folder` lacks and write both tables."""
    for version, (platform, python) in TORCH.items():
        download("torch", version, folder, platform, python, "nn/modules")
    for version, (platform, python) in TORCHVISION.items():
        download("torchvision", version, folder, platform, python, ".")
    allowed = {version: ask(version, folder) for version in TORCH_ASKED}
    about = "their published wheels, one of each minor version"
    write(
        "weights_only.json", f"torch._weights_only_unpickler._get_allowed_globals() in {about}", weights_only(allowed)
    )
    torch = read(folder, "torch", (*TORCH, *TORCH_ASKED), "torch/nn/modules")
    torchvision = read(folder, "torchvision", tuple(TORCHVISION), "torchvision")
    changes = {"torch": changed(torch), "torchvision": changed(torchvision)}
    write("class_changes.json", f"the classes of torch.nn.modules and torchvision in {about}", changes)


def download(name: str, version: str, folder: Path, platform: str, python: str, part: str) -> None:
    """Keep a part of one wheel as `folder`/NAME/VERSION/NAME/PART."""
    kept, whole = folder / name / version / name / part, folder / "whole"
    if kept.exists():
        return
    options = ["--no-deps", "--no-cache", "--python-version", python, "--python-platform", platform]
    subprocess.run(["uv", "pip", "install", "-q", "--target", whole, *options, f"{name}=={version}"], check=True)
    shutil.copytree(whole / name / part, kept)
    shutil.rmtree(whole)


def ask(version: str, folder: Path) -> list[str]:
    """Give the names that `torch.load(weights_only=True)` of a torch allows, as `collections.OrderedDict`."""
    answer = folder / "allowed" / f"{version}.json"
    if not answer.exists():
        environment = folder / "environment"
        subprocess.run(["uv", "venv", "-q", "--clear", "--python", "3.11", environment], check=True)
        python = environment / "bin" / "python"
        with_numpy = [f"torch=={version}", "numpy"]
        subprocess.run(["uv", "pip", "install", "-q", "--no-cache", "--python", python, *with_numpy], check=True)
        answer.parent.mkdir(parents=True, exist_ok=True)
        answer.write_text(subprocess.run([python, "-c", ASK], check=True, capture_output=True, text=True).stdout)
        site = next(environment.glob("lib/python*/site-packages"))
        shutil.copytree(site / "torch/nn/modules", folder / "torch" / version / "torch/nn/modules", dirs_exist_ok=True)
        shutil.rmtree(environment)
    names: list[str] = json.loads(answer.read_text())
    return names


def weights_only(allowed: dict[str, list[str]]) -> dict[str, Any]:
    """Give the first and last version read, and name → [since, until] in minor versions; null where it is open."""
    versions = list(allowed)
    every = sorted({name for names in allowed.values() for name in names})
    spans = {name: _span([name in allowed[version] for version in versions], versions) for name in every}
    return {"first": _minor(versions[0]), "last": _minor(versions[-1]), "allowed": spans}


@dataclass
class Class:
    """A class: what __init__ always sets, what serving reads and nothing else gives, and whether it is a Module."""

    sets: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    is_module: bool = False


@dataclass
class Contents:
    """A distribution of one version: its classes, and by module what it binds, exports and takes of others by `*`."""

    classes: dict[str, Class] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    exports: dict[str, set[str]] = field(default_factory=dict)
    stars: dict[str, list[str]] = field(default_factory=dict)


def read(folder: Path, name: str, versions: tuple[str, ...], part: str) -> dict[str, Contents]:
    """Read the classes of every version."""
    found = {}
    for version in versions:
        root = folder / name / version
        contents = found[version] = Contents()
        for file in sorted((root / part).rglob("*.py")):
            module = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            if not module.startswith(NOT_SERVED):
                tree = ast.parse(file.read_text(encoding="utf-8"))
                _read_module(tree, module, module if file.stem == "__init__" else module.rpartition(".")[0], contents)
        for _ in range(3):  # a module takes what another took
            for module, others in contents.stars.items():
                for other in others:
                    public = {name for name in contents.names.get(other, ()) if not name.startswith("_")}
                    contents.names[module] |= contents.exports.get(other) or public
    return found


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
    """Give what a statement assigns to; a bare annotation assigns nothing."""
    match statement:
        case ast.Assign():
            yield from statement.targets
        case ast.AnnAssign(value=ast.expr()):
            yield statement.target


def _own(node: ast.AST) -> Iterator[str]:
    """Give the attribute of `self` that a node reads."""
    match node:
        case ast.Attribute(value=ast.Name("self"), attr=name, ctx=ast.Load()):
            yield name


def changed(found: dict[str, Contents]) -> dict[str, Any]:
    """Give the versions that were read, where modules and classes are, and the attributes that came later.

    `modules` and `classes` map a name to [since, until]; `attributes` maps a class to the attributes that objects of an
    earlier version lack and that this one needs, likewise. What was never otherwise is left out.
    """
    versions = list(found)
    modules = {
        module: span
        for module in sorted({m for c in found.values() for m in c.names})
        if (span := _span([module in found[v].names for v in versions], versions)) != [None, None]
    }
    classes: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name in sorted({n for c in found.values() for n in c.classes}):
        module, _, own = name.rpartition(".")
        there = [own in found[v].names.get(module, ()) for v in versions]
        if (span := _span(there, versions)) not in ([None, None], modules.get(module)):
            classes[name] = span
        later = _later([found[v].classes.get(name) for v in versions], versions)
        if later:
            attributes[name] = later
    read_from = {"first": _minor(versions[0]), "last": _minor(versions[-1])}
    return {**read_from, "modules": modules, "classes": classes, "attributes": attributes}


def _later(history: list[Class | None], versions: list[str]) -> dict[str, list[str | None]]:
    """Give the attributes of a class that it has not always had."""
    later: dict[str, list[str | None]] = {}
    for (before, now), at in zip(pairwise(history), range(1, len(versions)), strict=True):
        if before is None or now is None:
            continue
        for name in sorted((now.sets & now.reads) - before.sets):
            rest = [bool(c and name in c.sets & c.reads) for c in history[at:]]
            until = versions[at + rest.index(False)] if False in rest else None
            later[name] = [_minor(versions[at]), _minor(until) if until else None]
        if now.is_module and not before.is_module:
            later["_backward_hooks"] = [_minor(versions[at]), None]  # torch.nn.Module.__call__ reads it
    return later


def _span(there: list[bool], versions: list[str]) -> list[str | None]:
    """Give [since, until] of something that is there in some versions; null for what was always, or still is."""
    first = there.index(True)
    last = len(there) - 1 - there[::-1].index(True)
    since = None if first == 0 else _minor(versions[first])
    return [since, None if last == len(there) - 1 else _minor(versions[last + 1])]


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def write(name: str, source: str, table: dict[str, Any]) -> None:
    """Write a table that says where and when it was read, an entry a line."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    text = json.dumps({"source": source, "read_on": today, **table}, indent=1)
    text = re.sub(r"\[\s+(\S+),\s+(\S+)\s+\]", r"[\1, \2]", text)  # [since, until] on one line
    (TABLES / name).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    refresh(Path(sys.argv[1]))
