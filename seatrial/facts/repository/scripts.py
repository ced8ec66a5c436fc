"""All Python of a repository, and the literals that its names stand for.

A name is followed to a literal as far as the text alone tells: constants that are bound once, what a function is given,
defaults of parameters, of command-line options and of settings classes, keys of settings files, and what another file
of the repository binds. Nothing is imported.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.facts.repository import settings
from seatrial.facts.repository.script import Literal, annotation, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from seatrial.facts.repository.hydra import Composed
    from seatrial.facts.repository.script import Function, Script
    from seatrial.findings import Location

_DEEPEST = 12  # steps from a name to its value
_DEFAULTS = ("dataclasses.field", "typer.Option", "typer.Argument", "click.option", "pydantic.Field", "attrs.field")
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}  # fmt: skip


@dataclass(frozen=True)
class Scripts:
    """All files of a repository that could be parsed.

    Attributes:
        root: the folder of the repository.
        all: in the order of their paths.
        unreadable: the paths of those that are no valid Python.
        configurations: what Hydra gives to functions of them.
    """

    root: Path = Path()
    all: Sequence[Script] = ()
    unreadable: Sequence[str] = ()
    configurations: Sequence[Composed] = ()
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
        return self._call(node, script, depth) if isinstance(node, ast.Call) else None

    def _call(self, node: ast.Call, script: Script, depth: int) -> Literal | None:
        called, first = script.name(node.func), node.args[0] if node.args else None
        if called in ("int", "str", "float") and len(node.args) == 1:
            return self.literal(first, script, depth + 1)
        if called == "len" and len(node.args) == 1:
            inner = self.literal(first, script, depth + 1)
            is_list = inner is not None and isinstance(inner.value, list | tuple)
            return Literal(len(inner.value), inner.location) if inner and is_list else None
        if called in _DEFAULTS:  # of a field, or of an option
            named = next((k.value for k in node.keywords if k.arg == "default"), None)
            return self.literal(named or first, script, depth + 1)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and first is not None:
            item = ast.copy_location(ast.Subscript(node.func.value, first, ast.Load()), node)
            default = node.args[1] if len(node.args) > 1 else None
            return self._item(item, script, depth) or self.literal(default, script, depth + 1)
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
        found = self.origin(node, script)
        return self.literal(found[0], found[1], depth + 1) if found else None

    def origin(self, node: ast.expr, script: Script) -> tuple[ast.expr, Script] | None:
        """Return what a name, or an attribute of `self`, stands for, in which file; None if it is not one, or unknown.

        That may be what another file gives to the function of which the name is a parameter.
        """
        match node:
            case ast.Name(name):
                pass
            case ast.Attribute(ast.Name("self"), attribute):
                name = f"self.{attribute}"
            case _:
                return None
        bound = script.bound(name, node)
        function = script.function_of(name, node)
        is_default = function is not None and bound is parameters(function).get(name)
        if function is not None and is_default and (given := self._given_elsewhere(function, name, script)):
            return given
        if bound is not None:
            return bound, script
        module, _, last = script.imports.get(name, "").rpartition(".")
        other = self.module(module) if module else None
        value = other.module_value(last) if other and other is not script else None
        return (value, other) if other and value is not None else None

    def _given_elsewhere(self, function: Function, name: str, script: Script) -> tuple[ast.expr, Script] | None:
        """Return what every call in other files gives for a parameter; None if they differ, or none is."""
        found: dict[str, tuple[ast.expr, Script]] = {}
        for call, other in self._calls.get(script.called(function), ()):
            if other is not script and self.home(call.func, other) is script:
                given = script.given(function, name, call)
                if given is not None:
                    found[ast.unparse(given)] = (given, other)
        return next(iter(found.values())) if len(found) == 1 else None

    @cached_property
    def _calls(self) -> dict[str, list[tuple[ast.Call, Script]]]:
        """The last part of what is called → the calls, and their files."""
        found: dict[str, list[tuple[ast.Call, Script]]] = {}
        for script in self.all:
            for call in script.calls:
                found.setdefault(script.name(call.func).rpartition(".")[2], []).append((call, script))
        return found

    def home(self, node: ast.expr, script: Script) -> Script | None:
        """Return the file that defines the class or function that an expression names; None if none here does."""
        module, _, name = script.name(node).rpartition(".")
        if name in script.definitions and module in ("", script.module):
            return script
        other = self.module(module) if module else None
        return other if other and name in other.definitions else None

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
        if found := self._of_instance(node, script, depth) or self._setting(node, script, depth):
            return found
        return self.option(node.attr, script) if isinstance(node.value, ast.Name) else None

    def _of_instance(self, node: ast.Attribute, script: Script, depth: int) -> Literal | None:
        """Return the attribute of an object of a class of the repository: as it was made, or the class's default."""
        made = self._class_of(node.value, script, depth)
        if made is None:
            return None
        name, home, call, other = made
        given = next((k.value for k in call.keywords if k.arg == node.attr), None) if call else None
        if given is not None:
            return self.literal(given, other, depth + 1)
        return self.literal(home.attributes(name).get(node.attr), home, depth + 1)

    def _class_of(
        self, node: ast.expr, script: Script, depth: int
    ) -> tuple[str, Script, ast.Call | None, Script] | None:
        """Return the class of what an expression stands for: its name and file, the call that makes it, and its file.

        A call that is given a class, such as a parser's of the command line, is taken to make one of it.
        """
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.Call):
            named = next((part for part in (node.func, *node.args) if self._is_class(part, script)), None)
            home = self.home(named, script) if named is not None else None
            if named is None or home is None:
                return None
            return script.name(named).rpartition(".")[2], home, node if named is node.func else None, script
        found = self.origin(node, script)
        if found is not None:
            return self._class_of(found[0], found[1], depth + 1)
        said: ast.expr | None = None
        home = script
        if isinstance(node, ast.Name) and (function := script.function_of(node.id, node)):
            said = annotation(function, node.id)
        elif isinstance(node, ast.Attribute) and (outer := self._class_of(node.value, script, depth + 1)):
            said, home = outer[1].annotations(outer[0]).get(node.attr), outer[1]
        if said is None or not self._is_class(said, home):
            return None
        own = self.home(said, home)
        return (home.name(said).rpartition(".")[2], own, None, home) if own else None

    def _is_class(self, node: ast.expr, script: Script) -> bool:
        home = self.home(node, script)
        return home is not None and isinstance(home.definitions[script.name(node).rpartition(".")[2]], ast.ClassDef)

    def _setting(self, node: ast.expr, script: Script, depth: int) -> Literal | None:
        """Return what a settings file of the repository has below the keys of an expression: `cfg["model"].name`."""
        keys: list[str] = []
        while depth <= _DEEPEST:
            match node:
                case ast.Attribute(ast.Name("self")) | ast.Name():
                    found = self.origin(node, script)
                    if found is None:
                        return self._composed(node, script, keys)
                    (node, script), depth = found, depth + 1
                case ast.Attribute(inner, key):
                    node, keys = inner, [key, *keys]
                case ast.Subscript(inner, ast.Constant(str(key))) | ast.Call(
                    ast.Attribute(inner, "get"), [ast.Constant(str(key)), *_]
                ):
                    node, keys = inner, [key, *keys]
                case ast.Call():
                    path = self.settings_file(node, script, depth)
                    value = settings.value_at(self.root, path, keys) if path else None
                    return Literal(*value) if value else None
                case _:
                    return None
        return None

    def _composed(self, node: ast.expr, script: Script, keys: Sequence[str]) -> Literal | None:
        """Return what Hydra gives below keys of a name, if that is the parameter of a function that it calls."""
        function = script.function_of(node.id, node) if isinstance(node, ast.Name) else None
        for one in self.configurations if function is not None and keys else ():
            if function and (one.script, one.function, one.parameter) == (script, function.name, ast.unparse(node)):
                entry = one.at(keys)
                return Literal(entry.value, entry.location) if entry else None
        return None

    def called(self, node: ast.expr, script: Script, depth: int = 0) -> tuple[ast.expr, Script]:
        """Return what is really called, and its file, where a name, an item of a dict, or `partial` stands for it."""
        found: tuple[ast.expr, Script] | None = None
        match node:
            case ast.Name() if node.id not in script.definitions:
                found = self.origin(node, script)
                if found and not isinstance(found[0], ast.Call | ast.Subscript | ast.Attribute | ast.Name):
                    found = None
            case ast.Subscript():
                found = self.entry(node, script)
            case ast.Call(ast.Attribute(table, "get"), [key, *_]):
                found = self.entry(ast.copy_location(ast.Subscript(table, key, ast.Load()), node), script)
            case ast.Call(func, [first, *_]) if script.name(func) == "functools.partial":
                found = first, script
            case ast.Lambda(body=ast.Call(func)):
                found = func, script
        return self.called(found[0], found[1], depth + 1) if found and depth < _DEEPEST else (node, script)

    def without_default(self, name: str) -> tuple[Location, tuple[str, ...]] | None:
        """Return where a command-line option is declared that has no default, and its choices; None if none is."""
        for call, script in self._calls.get("add_argument", ()):
            if _option(call) == name and not any(k.arg == "default" for k in call.keywords):
                choices = next((self.literal(k.value, script) for k in call.keywords if k.arg == "choices"), None)
                listed = choices.value if choices and isinstance(choices.value, list | tuple) else ()
                return script.location(call), tuple(map(str, listed))
        return None

    def settings_file(self, call: ast.Call, script: Script, depth: int = 0) -> str:
        """Return the path of the settings file that a call loads, or is given as loaded; "" if none is known."""
        names = self._names_loaded(call, script)
        if names is not None:
            return next((path for name in names if (path := settings.find(self.root, script.path, name))), "")
        for inner in (*call.args, *(keyword.value for keyword in call.keywords)):
            node, home = self.origin(inner, script) or (inner, script)
            path = self.settings_file(node, home, depth + 1) if isinstance(node, ast.Call) and depth < _DEEPEST else ""
            if path:
                return path
        return ""

    def _names_loaded(self, call: ast.Call, script: Script) -> list[str] | None:
        """Return the names of files that a call may load; None if it loads none.

        It is a call of a library's loader, or of a function of the repository that calls one.
        """
        given = self._paths([*call.args, *(keyword.value for keyword in call.keywords)], script)
        if settings.is_loader(script.name(call.func)):
            return given
        home = self.home(call.func, script)
        function = home.definitions[script.name(call.func).rpartition(".")[2]] if home else None
        if home is None or not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        inside = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        if not any(settings.is_loader(home.name(inner.func)) for inner in inside):
            return None
        return [*given, *self._paths([function], home)]  # its defaults are a part of it

    def _paths(self, nodes: Sequence[ast.AST], script: Script) -> list[str]:
        """Return the names of settings files in expressions, and in what a `with` opens for the names in them."""
        inside = [inner for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.expr)]
        for name in [inner for inner in inside if isinstance(inner, ast.Name)]:
            if opened := script.opened(name.id, name):
                inside += [inner for inner in ast.walk(opened) if isinstance(inner, ast.expr)]
        literals = [self.literal(inner, script, _DEEPEST // 2) for inner in inside]
        texts = [literal.value for literal in literals if literal and isinstance(literal.value, str)]
        return [text for text in texts if text.endswith(settings.SUFFIXES)]

    def _item(self, node: ast.Subscript, script: Script, depth: int) -> Literal | None:
        if entry := self.entry(node, script, depth):
            return self.literal(entry[0], entry[1], depth + 1)
        key = self.literal(node.slice, script, depth + 1)
        if key and isinstance(key.value, int):
            whole = self.literal(node.value, script, depth + 1)
            if whole and isinstance(whole.value, list | tuple) and -len(whole.value) <= key.value < len(whole.value):
                return Literal(whole.value[key.value], whole.location)
        return self._setting(node, script, depth)

    def table(self, node: ast.expr, script: Script) -> tuple[ast.Dict, Script] | None:
        """Return the dict that an expression stands for, and its file; None if it is none."""
        found = (node, script) if isinstance(node, ast.Dict) else self.origin(node, script)
        if found is None and isinstance(node, ast.Attribute) and (home := self.module(script.name(node.value))):
            value = home.module_value(node.attr)
            found = (value, home) if value is not None else None
        return (found[0], found[1]) if found and isinstance(found[0], ast.Dict) else None

    def entry(self, node: ast.Subscript, script: Script, depth: int = 0) -> tuple[ast.expr, Script] | None:
        """Return what a dict has for the key of an item, and its file; None if either is unknown."""
        table, key = self.table(node.value, script), self.literal(node.slice, script, depth + 1)
        if table and key:
            for name, value in zip(table[0].keys, table[0].values, strict=True):
                if isinstance(name, ast.Constant) and name.value == key.value:
                    return value, table[1]
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
        name = _option(call)
        default = self.literal(next((k.value for k in call.keywords if k.arg == "default"), None), script)
        if name and default is not None and default.value is not None:
            self._options.setdefault(name, []).append(Literal(default.value, script.location(call)))


def _option(call: ast.Call) -> str:
    """Return the name under which a command-line option's value is found; "" if a call declares none."""
    flags = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "dest"), None)
    long = [flag for flag in flags if flag.startswith("--")] or flags
    if isinstance(named, ast.Constant):
        return str(named.value)
    return long[0].lstrip("-").replace("-", "_") if long else ""
