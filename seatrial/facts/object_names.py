"""Objects that text names: `_target_: training.nets.Net` in a configuration file, "training.nets:Net" in a call.

Hydra, jsonargparse and many projects' own factories import what such a text names. No import statement shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.facts.data_files import matched
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seatrial.facts.python.sources import Sources
    from seatrial.facts.python.tree import Tree
    from seatrial.project import Project

# The keys by which a configuration names a class or a function: Hydra's, jsonargparse's (LightningCLI), and the one of
# `instantiate_from_config`, which diffusion projects copy from one another and which has `params` beside it.
_KEYS = ("_target_", "class_path", "target")
_KEY = re.compile(r"^\s*-?\s*[\"']?(?:_target_|class_path|target)[\"']?\s*:", re.MULTILINE)
# What makes an object of its name. A project whose serving code mentions none of them reads no such text.
_MAKERS = frozenset(
    (
        "instantiate", "instantiate_from_config", "get_obj_from_str", "get_class", "get_object", "get_method", "locate",
        "import_module", "import_string", "resolve_name", "load_object", "CLI", "LightningCLI", "ArgumentParser",
    )
)  # fmt: skip
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?|[A-Za-z_]\w*:[A-Za-z_]\w*")
_LARGEST = 1_000_000  # bytes; a larger file is data and no configuration


@dataclass(frozen=True, slots=True)
class ObjectName:
    """The name of an object that is written as text.

    Attributes:
        name: dotted, as Python would import it.
        by: the key, or the function that gets it.
        location: where it is written.
        path: of a module of the project in which the object should be, if that does not ship; "" otherwise.
    """

    name: str
    by: str
    location: Location
    path: str = ""


def object_names(project: Project, sources: Sources, tree: Tree) -> tuple[ObjectName, ...]:
    """Return the names that calls of the serving code get, and those in the configuration files that ship.

    Of the texts in calls only those are taken that name a module of the project which does not ship: any other text
    may mean anything.
    """
    found = list(_in_calls(sources, tree))
    if _makes_objects(sources):
        for file in _configurations(project):
            found += _in_file(file, project.shown(file), sources, tree)
    return tuple(found)


def _makes_objects(sources: Sources) -> bool:
    for module in sources.serving_modules():
        functions = module.uses.functions.values()
        if not _MAKERS.isdisjoint(module.uses.mentions) or any(not _MAKERS.isdisjoint(f.mentions) for f in functions):
            return True
    return False


def _in_calls(sources: Sources, tree: Tree) -> Iterator[ObjectName]:
    tops = tuple(top for top in tree.tops() if not sources.ships(top))  # of what ships, all modules do
    paths: dict[str, str] = {}  # most texts are no names, and the same name is given often
    for _, call in sources.calls() if tops else ():
        if call.method == "import_module":
            continue  # it is an import, and judged as one
        for text in filter(lambda text: text.startswith(tops), call.texts()):
            if text not in paths:
                paths[text] = _path(text, sources, tree) if _DOTTED.fullmatch(text) else ""
            if path := paths[text]:
                by = f"{call.written}()" if call.written else "a call"
                yield ObjectName(_dotted(text), by, call.location, path)


def _dotted(text: str) -> str:
    return text.replace(":", ".")


def _path(text: str, sources: Sources, tree: Tree) -> str:
    """Return the path of the longest part of a name that is a module of the project and does not ship, or ""."""
    parts = _dotted(text).split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if sources.ships(module):
            break
        path = tree.locate(module)
        if path is not None and path.endswith(".py"):
            return path
    return ""


def _configurations(project: Project) -> Iterator[Path]:
    """Yield the YAML files that ship."""
    files = {file for file in project.artifacts_dir.rglob("*.y*ml") if file.is_file()}
    for pattern in project.package_data:
        files.update(matched(project, pattern))
    for file in sorted(files):
        inside = file.is_relative_to(project.root) or file.is_relative_to(project.artifacts_dir)
        if inside and file.suffix in (".yaml", ".yml") and file.stat().st_size <= _LARGEST:
            yield file


def _in_file(file: Path, path: str, sources: Sources, tree: Tree) -> Iterator[ObjectName]:
    text = file.read_text(encoding="utf-8", errors="replace")
    if not _KEY.search(text):
        return
    import yaml  # few projects have such a file, and no other check waits for it

    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    for key, value in _entries(root):
        if _DOTTED.fullmatch(value.value):
            location = Location(path, value.start_mark.line + 1, value.start_mark.column + 1)
            yield ObjectName(_dotted(value.value), f"`{key}`", location, _path(value.value, sources, tree))


def _entries(root: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys that name objects, with the nodes of their values, in the order of the file."""
    pending, seen = [root], set[int]()
    while pending:
        node = pending.pop()
        if node is None or id(node) in seen:  # an alias, which may lead back to itself
            continue
        seen.add(id(node))
        if node.id == "sequence":
            pending.extend(reversed(node.value))
        elif node.id == "mapping":
            keys = {key.value for key, _ in node.value if key.id == "scalar"}
            for key, value in node.value:
                if (
                    key.id == value.id == "scalar"
                    and key.value in _KEYS
                    and (key.value != "target" or "params" in keys)
                ):
                    yield key.value, value
            pending.extend(value for _, value in reversed(node.value))
