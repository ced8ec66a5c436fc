"""What Hydra composes out of a repository's configuration files: values by their keys, and the objects they name.

`@hydra.main(config_path=…, config_name=…)` names a file whose defaults list names others. They are merged as Hydra
merges them without a command line: groups, `_self_`, `optional` and `override`, packages, and interpolations of other
keys. Nothing of Hydra is run. What only exists at run time, such as `${oc.env:HOME}`, stays unknown.
"""

from __future__ import annotations

import ast
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from seatrial.facts.repository.script import Script, parameters
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_LARGEST = 1_000_000  # bytes; settings are small
_MOST = 20_000  # entries of a file; aliases of aliases multiply, and such a file is not read
_DEEPEST = 12  # files that name files, and interpolations within interpolations
_PASSES = 3  # over the defaults lists: what a file overrides may name a file that overrides
_INTERPOLATION = re.compile(r"\$\{([^${}:]+)\}")
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)\s*$", re.MULTILINE)
_GLOBAL = "_global_"
_TARGET = "_target_"
_OWN_KEYS = {_TARGET, "_args_", "_partial_", "_convert_", "_recursive_"}  # of instantiate itself
_INSTANTIATE = re.compile(r"hydra\.(?:\w+\.)*instantiate")
_BY_PATH = ("hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a configuration, whose mappings and lists hold entries again, and where it is written."""

    value: Any
    location: Location


@dataclass(frozen=True)
class Composed:
    """The configuration that a script gets, and by which name its function knows it."""

    script: Script
    function: str
    parameter: str
    root: Entry

    def at(self, keys: Sequence[str]) -> Entry | None:
        """Return the text, number or list below keys; None if there is none, or it is only known at run time."""
        entry = _below(self.root, keys)
        found = _settled(entry, self.root, keys[:-1], 0) if entry else None
        if found is None or isinstance(found.value, dict) or found.value in (None, "???"):
            return None
        if isinstance(found.value, list):
            each = [_settled(item, self.root, keys[:-1], 0) for item in found.value]
            known = [item.value for item in each if item and not isinstance(item.value, dict | list)]
            return Entry(known, found.location) if len(known) == len(each) else None
        return found


def composed(root: Path, scripts: Sequence[Script]) -> Iterator[Composed]:
    """Yield what the functions of a repository get that `hydra.main` decorates."""
    for script in scripts:
        for name, node in script.definitions.items():
            for decorator in node.decorator_list:
                if not isinstance(decorator, ast.Call) or script.name(decorator.func) != "hydra.main":
                    continue
                given = dict(zip(("config_path", "config_name"), decorator.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in decorator.keywords if keyword.arg}
                folder = _folder(root, script, given.get("config_path"))
                file = _text(given.get("config_name"))
                named = list(parameters(node)) if not isinstance(node, ast.ClassDef) else []
                found = _Composer(root, folder).compose(file) if file and named else None
                if found is not None:
                    yield Composed(script, name, named[0], found)


def _text(node: ast.expr | None) -> str:
    """Return the last text in an expression: `configs` of `root / "configs"`."""
    inside = ast.walk(node) if node is not None else ()
    texts = [n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return texts[-1] if texts else ""


def _folder(root: Path, script: Script, node: ast.expr | None) -> str:
    """Return the folder of the configuration: relative to the script's, or, if it is composed, to the root."""
    named = _text(node)
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(script.path), named))
    each = (beside, posixpath.normpath(named or "."))
    return next((path for path in each if not path.startswith(("..", "/")) and (root / path).is_dir()), ".")


@dataclass
class _Composer:
    """Merges the files of one folder of configuration."""

    root: Path
    folder: str
    overrides: dict[str, Any] = field(default_factory=dict)

    def compose(self, name: str) -> Entry | None:
        """Return everything that the file of that name and its defaults say; None if there is no such file."""
        for _ in range(_PASSES):
            known = dict(self.overrides)
            found = self._file(name, "", 0)
            if known == self.overrides:
                return found
        return found

    def _file(self, path: str, package: str, depth: int) -> Entry | None:
        """Return a file with its defaults, below the keys of its package."""
        path = path if path.endswith((".yaml", ".yml")) else f"{path}.yaml"
        read = _read(self.root, posixpath.normpath(posixpath.join(self.folder, path)))
        if read is None or depth > _DEEPEST:
            return None
        own, header = read
        group = posixpath.dirname(path)
        if header == _GLOBAL:
            package = ""
        elif header and header != "_group_":
            package = header
        items = dict(own.value)
        listed = items.pop("defaults", None)
        defaults = listed.value if listed and isinstance(listed.value, list) else []
        own = _below_package(Entry(items, own.location), package)
        whole: Entry | None = None
        is_merged = False
        for default in defaults:
            if default.value == "_self_":
                whole, is_merged = _merged(whole, own), True
            else:
                whole = _merged(whole, self._default(default.value, group, package, depth))
        return whole if is_merged and whole else _merged(whole, own)

    def _default(self, default: Any, group: str, package: str, depth: int) -> Entry | None:
        """Return what one item of a defaults list adds."""
        if isinstance(default, str):  # a file beside this one
            path = default.removeprefix("/") if default.startswith("/") else posixpath.join(group, default)
            return self._file(path.partition("@")[0], package, depth + 1)
        if not isinstance(default, dict) or len(default) != 1:
            return None
        (key, entry), *_ = default.items()
        words = str(key).split() or [""]
        named, _, own_package = words[-1].partition("@")
        full = named.removeprefix("/") if named.startswith("/") else posixpath.join(group, named)
        if "override" in words:
            self.overrides[full] = entry.value
            return None
        chosen = self.overrides.get(full, entry.value)
        names = [item.value for item in chosen] if isinstance(chosen, list) else [chosen]
        below = own_package or named.removeprefix("/").replace("/", ".")
        if below.startswith(_GLOBAL):
            below = below.removeprefix(_GLOBAL).removeprefix(".")
        elif below == "_here_":
            below = package
        else:
            below = f"{package}.{below}".strip(".")
        found: Entry | None = None
        for name in names:
            if isinstance(name, str):
                found = _merged(found, self._file(posixpath.join(full, name), below, depth + 1))
        return found


def _read(root: Path, path: str) -> tuple[Entry, str] | None:
    """Return what a file of YAML holds, and the package that its first lines name; None if it is no mapping."""
    file = root / path
    try:
        if path.startswith("..") or file.stat().st_size > _LARGEST:
            return None
        text = file.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            entry = _entry(loader, node, path, iter(range(_MOST))) if node is not None else Entry({}, Location(path))
        finally:
            loader.dispose()
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    header = _PACKAGE.search(text)
    return (entry, header.group(1) if header else "") if isinstance(entry.value, dict) else None


def _entry(loader: yaml.SafeLoader, node: yaml.Node, path: str, left: Iterator[int]) -> Entry:
    """Return what a node of YAML holds; `left` counts down.

    Raises:
        ValueError: there are too many.
    """
    if next(left, None) is None:
        raise ValueError(f"{path} has too many entries")
    place = Location(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return Entry({str(key.value): _entry(loader, value, path, left) for key, value in node.value}, place)
    if isinstance(node, yaml.SequenceNode):
        return Entry([_entry(loader, item, path, left) for item in node.value], place)
    return Entry(loader.construct_object(node, deep=True), place)


def _below_package(entry: Entry, package: str) -> Entry:
    for key in reversed(package.split(".") if package else []):
        entry = Entry({key: entry}, entry.location)
    return entry


def _merged(first: Entry | None, second: Entry | None) -> Entry | None:
    """Return both, where mappings are merged, and of anything else the second counts."""
    if first is None or second is None:
        return first or second
    if not (isinstance(first.value, dict) and isinstance(second.value, dict)):
        return second
    both = {**first.value}
    for key, value in second.value.items():
        both[key] = _merged(both.get(key), value)
    return Entry(both, second.location)


def _below(entry: Entry, keys: Sequence[str]) -> Entry | None:
    found: Entry | None = entry
    for key in keys:
        found = found.value.get(key) if found and isinstance(found.value, dict) else None
    return found


def _settled(entry: Entry, root: Entry, around: Sequence[str], depth: int) -> Entry | None:
    """Return an entry whose interpolations are put in; None if one of them is only known at run time."""
    text = entry.value
    if not isinstance(text, str) or "${" not in text:
        return entry
    found: list[Any] = []

    def put(match: re.Match[str]) -> str:
        other = _named(match.group(1).strip(), root, around)
        settled = _settled(*other, depth=depth + 1) if other and depth < _DEEPEST else None
        found.append(settled)
        return str(settled.value) if settled else ""

    made = _INTERPOLATION.sub(put, text)
    if "${" in made or None in found:
        return None
    is_all = _INTERPOLATION.fullmatch(text) is not None
    return found[0] if is_all else Entry(made, entry.location)


def _named(name: str, root: Entry, around: Sequence[str]) -> tuple[Entry, Entry, list[str]] | None:
    """Return what an interpolation names: from the root, or with dots before it from the mapping around it."""
    dots = len(name) - len(name.lstrip("."))
    above = list(around[: len(around) - dots + 1]) if dots else []
    keys = [*above, *name.lstrip(".").replace("[", ".").replace("]", "").split(".")]
    entry = _below(root, keys)
    return (entry, root, keys[:-1]) if entry else None


def calls(each: Sequence[Composed], scripts: Sequence[Script]) -> Iterator[Script]:
    """Yield the calls that `instantiate` makes of a composed configuration, as a file that makes them itself."""
    if not any(_INSTANTIATE.fullmatch(script.name(call.func)) for script in scripts for call in script.calls):
        return
    seen: set[str] = set()
    for one in each:
        made = _Calls(one.root).script()
        if made.text not in seen:
            seen.add(made.text)
            yield made


@dataclass(frozen=True, eq=False)
class Instantiated(Script):
    """Calls that a configuration describes; line n of them is written at the n-th place."""

    places: Sequence[Location] = ()

    def location(self, node: ast.AST) -> Location:
        """Return where the configuration says it."""
        number = getattr(node, "lineno", None) or 1
        return self.places[number - 1] if number <= len(self.places) else Location(self.path)


@dataclass
class _Calls:
    """Writes a configuration's objects as calls of what their `_target_` names."""

    root: Entry
    places: list[Location] = field(default_factory=list)
    modules: dict[str, None] = field(default_factory=dict)

    def script(self) -> Instantiated:
        statements = list(self._statements(self.root, ()))
        names = [ast.alias(name=module) for module in self.modules]
        tree = ast.Module([*([ast.Import(names)] if names else []), *statements], [])
        ast.fix_missing_locations(tree)
        path = self.places[0].path if self.places else self.root.location.path
        return Instantiated(path, "", ast.unparse(tree), tree, tuple(self.places))

    def _statements(self, entry: Entry, keys: tuple[str, ...]) -> Iterator[ast.stmt]:
        if not isinstance(entry.value, dict):
            return
        if _TARGET in entry.value:
            name = re.sub(r"\W", "_", "_".join(keys)) or "made"
            value = self._expression(entry, keys)
            yield ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), value)
            return
        for key, inner in entry.value.items():
            yield from self._statements(inner, (*keys, key))

    def _expression(self, entry: Entry, keys: tuple[str, ...], *, is_made: bool = True) -> ast.expr:
        settled = _settled(entry, self.root, keys[:-1], 0)
        if settled is None or settled.value == "???":
            return self._at(entry, ast.parse(_written(keys), mode="eval").body)
        value = settled.value
        if isinstance(value, dict) and _TARGET in value and is_made:
            return self._call(settled, value, keys)
        if isinstance(value, dict):
            items = {key: self._expression(v, (*keys, key), is_made=is_made) for key, v in value.items()}
            return self._at(settled, ast.Dict([ast.Constant(key) for key in items], list(items.values())))
        if isinstance(value, list):
            each = [self._expression(v, (*keys, str(n)), is_made=is_made) for n, v in enumerate(value)]
            return self._at(settled, ast.List(each, ast.Load()))
        return self._at(settled, ast.Constant(value))

    def _call(self, entry: Entry, value: Mapping[str, Entry], keys: tuple[str, ...]) -> ast.expr:
        target = str(value[_TARGET].value)
        if target in _BY_PATH and "path" in value:
            return self._at(entry, self._dotted(str(value["path"].value)))
        is_made = "_recursive_" not in value or value["_recursive_"].value is not False
        listed = value["_args_"].value if "_args_" in value and isinstance(value["_args_"].value, list) else []
        given = [self._expression(item, (*keys, "_args_"), is_made=is_made) for item in listed]
        named = [
            ast.keyword(key, self._expression(inner, (*keys, key), is_made=is_made))
            for key, inner in value.items()
            if key not in _OWN_KEYS and key.isidentifier()
        ]
        func = self._dotted(target)
        if "_partial_" in value and value["_partial_"].value is True:
            given, func = [func, *given], self._dotted("functools.partial")
        return self._at(value[_TARGET], ast.Call(func, given, named))

    def _dotted(self, name: str) -> ast.expr:
        """Return a dotted name as an expression, whose module is imported; anything else as text."""
        if not all(part.isidentifier() for part in name.split(".")):
            return ast.Constant(name)
        if "." in name:
            self.modules.setdefault(name.rpartition(".")[0])
        return ast.parse(name, mode="eval").body

    def _at(self, entry: Entry, node: ast.expr) -> ast.expr:
        """Return an expression on a line of its own, whose place is that of the entry."""
        self.places.append(entry.location)
        node.lineno = node.end_lineno = len(self.places)
        node.col_offset = node.end_col_offset = 0
        return node


def _written(keys: Sequence[str]) -> str:
    """Return keys as code: `cfg.model.size`."""
    return ".".join(["cfg", *(key if key.isidentifier() else f"_{key}" for key in keys)])
