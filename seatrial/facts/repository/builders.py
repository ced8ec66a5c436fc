"""The calls of a repository that build a model of torchvision or timm: by the builder itself, or by its name."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.facts.architectures import known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Script
    from seatrial.facts.repository.scripts import Scripts
    from seatrial.findings import Location

# Arguments of builders that the written call sets itself, or that matter only to training or downloading.
_SET_ANEW = {
    "pretrained", "weights", "num_classes", "progress", "model_name", "name", "checkpoint_path", "cache_dir",
    "drop_rate", "drop_path_rate", "pretrained_cfg", "init_weights", "force_reload", "source",
}  # fmt: skip
_STEPS = 4  # names that stand for names
_CREATE = ("timm.create_model", "timm.models.create_model", "timm.models.factory.create_model")


def builder_of(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, str]:
    """Return the library and the name of the builder that a call runs; ("", "") for any other call."""
    func, home = scripts.called(call.func, script)
    by_name = named_by(call, script, scripts)
    if by_name:
        library, node, where = by_name
        literal = scripts.literal(node, where)
        name = str(literal.value).partition(".")[0] if literal else ""
        return (library, name) if known(name, library) else ("", "")
    called = home.name(func)
    name = called.rpartition(".")[2]
    is_builder = called.startswith("torchvision.models.") and known(name, "torchvision")
    return ("torchvision", name) if is_builder else ("", "")


def is_entry(call: ast.Call, script: Script) -> bool:
    """Return whether a call is what a lambda of a dict does, which is called only if its key is chosen."""
    around = script.parents.get(call)
    return isinstance(around, ast.Lambda) and isinstance(script.parents.get(around), ast.Dict)


def named_by(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, ast.expr | None, Script] | None:
    """Return the library of a builder that a call runs by its name, the name, and its file; None for any other call."""
    func, home = scripts.called(call.func, script)
    called = home.name(func)
    if called in _CREATE:
        return "timm", argument(call, 0, "model_name"), script
    if called == "torchvision.models.get_model":
        return "torchvision", argument(call, 0, "name"), script
    if called == "torch.hub.load":
        return "torchvision", argument(call, 1, "model"), script
    if isinstance(func, ast.Call) and home.name(func.func) == "getattr" and len(func.args) > 1:
        return ("torchvision", func.args[1], home) if home.name(func.args[0]) == "torchvision.models" else None
    if isinstance(func, ast.Subscript):
        table = func.value
        if isinstance(table, ast.Call) and home.name(table.func) == "vars" and table.args:
            table = ast.copy_location(ast.Attribute(table.args[0], "__dict__", ast.Load()), table)
        if home.name(table) == "torchvision.models.__dict__":
            return "torchvision", func.slice, home
    return None


def literals_given(call: ast.Call, script: Script, scripts: Scripts) -> tuple[tuple[str, Any], ...]:
    """Return the further arguments of a builder by name, as far as they are literals."""
    named = [(k.arg, scripts.literal(k.value, script)) for k in call.keywords if k.arg and k.arg not in _SET_ANEW]
    return tuple((name, literal.value) for name, literal in named if literal is not None)


def downloads(call: ast.Call, script: Script, scripts: Scripts) -> bool:
    """Return whether a call loads published weights, whose head stays as it is."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    value = given.get("pretrained") or given.get("weights") or (call.args[0] if call.args else None)
    literal = scripts.literal(value, script)
    variable = target_of(call, script)
    part = tuple(f"{variable}.{part}" for part in ("fc", "classifier", "head", "heads"))
    changed = any(
        isinstance(s, ast.Assign) and ast.unparse(s.targets[0]).startswith(part) for s in statements_after(call, script)
    )
    return value is not None and "num_classes" not in given and not changed and (literal is None or bool(literal.value))


def published(call: ast.Call, script: Script, scripts: Scripts) -> str:
    """Return which of torchvision's own weights a call begins with; `pretrained=True` are the first ones."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    node = given.get("weights")
    for _ in range(_STEPS):
        found = scripts.origin(node, script) if node is not None else None
        if found is None:
            break
        node, script = found
    text = node.value if isinstance(node, ast.Constant) else ast.unparse(node) if node is not None else ""
    named = re.search(r"\b(?:DEFAULT|IMAGENET1K_\w+)$", str(text))
    old = scripts.literal(given.get("pretrained"), script) if "pretrained" in given else None
    return named.group(0) if named else "IMAGENET1K_V1" if old and old.value is True else ""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A call that builds a model by a name that no file tells.

    Attributes:
        location: of the call.
        name: the expression that gives the name: `args.arch`.
        option: where the command-line option of that name is declared, which has no default; None if there is none.
        choices: the names that it may be, as far as the text tells.
        told: the name, where the text tells it, and no library here has a classifier of that name.
    """

    location: Location
    name: str
    option: Location | None = None
    choices: tuple[str, ...] = ()
    told: str = ""


def unnamed(scripts: Scripts) -> Unnamed | None:
    """Return the first call that builds a model by a name that no file tells; None if there is none."""
    for script in scripts.all:
        for call in script.calls:
            by_name = named_by(call, script, scripts) or _by_table(call, script, scripts)
            if by_name and by_name[1] is not None and not builder_of(call, script, scripts)[1]:
                node, choices = by_name[1], _choices(call, script, scripts)
                last = ast.unparse(node).rpartition(".")[2]
                option = scripts.without_default(last)
                given = option[1] if option else ()
                place, literal = option[0] if option else None, scripts.literal(node, by_name[2])
                told = str(literal.value) if literal and by_name[0] else ""
                return Unnamed(script.location(call), ast.unparse(node), place, choices or given, told)
    return None


def _by_table(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, ast.expr | None, Script] | None:
    """Return the key of the builder that a call takes out of a dict; None for any other call."""
    func, home = scripts.called(call.func, script)
    return ("", func.slice, home) if isinstance(func, ast.Subscript) and _choices(call, script, scripts) else None


def _choices(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, ...]:
    """Return the builders in the dict out of which a call takes what it calls; () if it is no such call."""
    func, home = scripts.called(call.func, script)
    table = scripts.table(func.value, home) if isinstance(func, ast.Subscript) else None
    found = [scripts.called(value, table[1]) for value in table[0].values] if table else []
    names = [where.name(node) for node, where in found]
    return tuple(dotted.rpartition(".")[2] for dotted in names if dotted.startswith("torchvision.models."))


def argument(call: ast.Call, place: int, keyword: str) -> ast.expr | None:
    """Return what a call gives at a place or by a keyword; None if nothing."""
    named = next((k.value for k in call.keywords if k.arg == keyword), None)
    return call.args[place] if len(call.args) > place else named


def target_of(call: ast.Call, script: Script) -> str:
    """Return what the result of a call is assigned to: `model`, `self.net`; "" if to nothing."""
    node: ast.AST = call
    while not isinstance(node, ast.stmt):
        node = script.parents[node]
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""


def statements_after(call: ast.Call, script: Script) -> Iterator[ast.stmt]:
    """Yield the statements that follow a call in its block and in the blocks around it, within its function."""
    node: ast.AST = call
    scope = script.scope(call)
    while node is not scope and node in script.parents:
        inner, node = node, script.parents[node]
        for name in ("body", "orelse"):
            block = getattr(node, name, [])
            if isinstance(block, list) and inner in block:
                yield from block[block.index(inner) + 1 :]
