"""An expression of a repository as the text of another module: with its imports, definitions and literals.

Names that stand for literals are replaced by them, and where each was found is kept. Classes and functions of the
repository are imported from modules that do nothing when they are imported, and copied from scripts.
"""

from __future__ import annotations

import ast
import builtins
import copy
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.facts.repository.script import Literal, Script
from seatrial.facts.repository.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seatrial.findings import Location

_DEEPEST = 8  # expressions within expressions that names stand for
# What a module is called when names are taken from it: dotted name → the name that the text has for it.
_SHORT = {
    "torchvision.transforms.v2": "v2", "torchvision.transforms": "transforms", "torchvision.models": "models",
    "torchvision": "torchvision", "torch.nn.functional": "functional", "torch.nn": "nn", "torch": "torch",
    "timm": "timm",
    "albumentations.pytorch": "pytorch", "albumentations": "albumentations", "numpy": "np", "cv2": "cv2",
    "PIL.Image": "Image",
}  # fmt: skip
# What a module may call when it is imported, and still do nothing: the beginnings of resolved names.
_HARMLESS = (
    "torch.nn.", "torchvision.transforms.", "torch.device", "torch.cuda.is_available", "logging.getLogger", "os.path.",
    "os.environ.get", "os.getenv", "pathlib.", "collections.", "functools.", "typing.", "re.compile", "dict", "list",
    "set", "tuple", "frozenset", "range", "len", "sorted", "str", "int", "float", "enum.", "dataclasses.",
)  # fmt: skip


@dataclass
class Text:
    """A text with what it needs.

    Attributes:
        text: the expression; "" if there is none.
        imports: what names in it stand for: name → dotted name.
        copied: name → (source, where it was), in the order in which they are needed.
        taken: (name as it was written, literal) that were put in.
        unknown: the names of which nothing is known.
    """

    text: str = ""
    imports: dict[str, str] = field(default_factory=dict)
    copied: dict[str, tuple[str, Location]] = field(default_factory=dict)
    taken: list[tuple[str, Literal]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether every name in it is known."""
        return not self.unknown

    def with_needs_of(self, other: Text) -> None:
        """Add what another text needs."""
        self.imports |= other.imports
        self.copied |= other.copied
        self.taken += [taken for taken in other.taken if taken not in self.taken]
        self.unknown += [name for name in other.unknown if name not in self.unknown]


def rewrite(node: ast.expr, script: Script, scripts: Scripts, kept: Mapping[str, str] | None = None) -> Text:
    """Return an expression as a text; names of `kept` are written as it says and need nothing."""
    writer = _Writer(script, scripts, dict(kept or {}))
    made = writer.expression(node, 0)
    writer.text.text = ast.unparse(ast.fix_missing_locations(made))
    return writer.text


def definition(name: str, script: Script, scripts: Scripts) -> Text:
    """Return the name of a class or function of a script as a text, with its import or its copy."""
    writer = _Writer(script, scripts, {})
    writer.text.text = writer.defined(name, script)
    return writer.text


def is_importable(script: Script, scripts: Scripts, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether importing a module does nothing but define names, by its text, and whether it can be imported."""
    if not script.module or script.path in seen:
        return bool(script.module)
    if script.module.partition(".")[0] in sys.stdlib_module_names:
        return False  # Python's own comes first
    if not all(_does_nothing(statement, script) for statement in script.tree.body):
        return False
    for dotted in set(_imported(script)):
        base = dotted.rpartition(".")[0]
        others = [other for other in scripts.all if other.module and other.module in (dotted, base)]
        by_end = not others and (scripts.module(dotted) or scripts.module(base))
        if by_end or not all(is_importable(other, scripts, seen | {script.path}) for other in others):
            return False
    return True


def _imported(script: Script) -> Iterator[str]:
    for node in script.tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (script.imports.get(alias.asname or alias.name, "") for alias in node.names)


def _does_nothing(statement: ast.stmt, script: Script) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Pass():
            return True
        case ast.Expr(ast.Constant()):
            return True
        case ast.If(test=ast.Compare(left=ast.Name("__name__"))) | ast.If(test=ast.Name("TYPE_CHECKING")):
            return True
        case ast.Try(body=body):
            return all(_does_nothing(inner, script) for inner in body)
        case ast.Assign() | ast.AnnAssign():
            calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
            return all(script.name(call.func).startswith(_HARMLESS) for call in calls)
    return False


class _Writer:
    """Writes one expression; collects what it needs in `text`."""

    def __init__(self, script: Script, scripts: Scripts, kept: dict[str, str]) -> None:
        self.text = Text()
        self._script = script
        self._scripts = scripts
        self._kept = kept

    def expression(self, node: ast.expr, depth: int) -> ast.expr:
        written = ast.unparse(node)
        if written in self._kept:
            return ast.parse(self._kept[written], mode="eval").body
        if isinstance(node, ast.Constant):
            return node
        if isinstance(node, ast.Name | ast.Attribute) and (named := self._named(node, depth)):
            return named
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp):
            literal = self._scripts.literal(node, self._script)
            if literal is not None:
                taken = (written, literal)
                self.text.taken += [taken] if taken not in self.text.taken else []
                return ast.parse(repr(literal.value), mode="eval").body
        if isinstance(node, ast.Name):
            bound = self._script.bound(node.id, node) if depth < _DEEPEST else None
            if bound is not None:
                return self.expression(bound, depth + 1)
            self.text.unknown.append(written)
            return node
        if isinstance(node, ast.Attribute) and _root_of(node) not in self._kept:
            self.text.unknown.append(written)
            return node
        return self._parts(node, depth)

    def _parts(self, node: ast.expr, depth: int) -> ast.expr:
        """Return an expression whose parts are rewritten; a lambda's and a comprehension's own names stay."""
        own = {}
        if isinstance(node, ast.Lambda):
            own = {p.arg: p.arg for p in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
            targets = [name for part in node.generators for name in ast.walk(part.target)]
            own = {name.id: name.id for name in targets if isinstance(name, ast.Name)}
        kept, self._kept = self._kept, self._kept | own
        made = copy.copy(node)
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(made, name, self.expression(value, depth))
            elif isinstance(value, list):
                setattr(made, name, [self._part(item, depth) for item in value])
            elif isinstance(value, ast.comprehension | ast.keyword):
                setattr(made, name, self._part(value, depth))
        self._kept = kept
        return made

    def _part(self, item: object, depth: int) -> object:
        if isinstance(item, ast.expr):
            return self.expression(item, depth)
        if isinstance(item, ast.keyword | ast.comprehension):
            made = copy.copy(item)
            for name, value in ast.iter_fields(item):
                if isinstance(value, ast.expr):
                    setattr(made, name, self.expression(value, depth))
            return made
        return item

    def _named(self, node: ast.Name | ast.Attribute, depth: int) -> ast.expr | None:
        """Return the text of a name that is imported, defined or built in; None for any other."""
        root = _root_of(node)
        if root in self._kept:
            return None
        if isinstance(node, ast.Name) and node.id in self._script.definitions:
            return _name(self.defined(node.id, self._script))
        if root not in self._script.imports:
            is_builtin = isinstance(node, ast.Name) and hasattr(builtins, node.id)
            return node if is_builtin and self._script.bound(root, node) is None else None
        dotted = self._script.name(node)
        for length in range(dotted.count(".") + 1, 0, -1):
            module, rest = ".".join(dotted.split(".")[:length]), dotted.split(".")[length:]
            other = self._scripts.module(module) if rest else None
            if other and rest[0] in other.definitions:
                return ast.parse(".".join([self.defined(rest[0], other), *rest[1:]]), mode="eval").body
            if other:
                return None  # a constant of another file
        if depth >= 0:
            return ast.parse(self._imported(dotted), mode="eval").body
        return None

    def _imported(self, dotted: str) -> str:
        """Return how a name of a library is written, and note its import."""
        for module, short in _SHORT.items():
            if dotted == module or dotted.startswith(f"{module}."):
                self._import(short, module)
                return short + dotted.removeprefix(module)
        base, _, last = dotted.rpartition(".")
        self._import(last, dotted if base else last)
        return last

    def _import(self, name: str, dotted: str) -> None:
        if self.text.imports.setdefault(name, dotted) != dotted:
            self.text.unknown.append(name)

    def defined(self, name: str, script: Script) -> str:
        """Return how a definition of the repository is written: imported where that does nothing else, or copied."""
        if is_importable(script, self._scripts):
            self._import(name, f"{script.module}.{name}")
        elif name not in self.text.copied:
            self._copy(name, script)
        return name

    def _copy(self, name: str, script: Script) -> None:
        node = script.definitions[name]
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = script.text.splitlines()[first - 1 : node.end_lineno]
        self.text.copied[name] = ("", script.location(node))  # what is recursive ends here
        for used in _free_names(node):
            if used in script.definitions:
                self.defined(used, script)
            elif used in script.imports:
                dotted = script.imports[used]
                other = self._scripts.module(dotted) or self._scripts.module(dotted.rpartition(".")[0])
                if other and dotted.rpartition(".")[2] in other.definitions:
                    self.defined(dotted.rpartition(".")[2], other)
                elif other:
                    self.text.unknown.append(dotted)
                else:
                    self._import(used, dotted)
            elif (value := script.module_value(used)) is not None:
                literal = self._scripts.literal(value, script)
                if literal is None:
                    self.text.unknown.append(used)
                else:
                    self.text.copied.setdefault(used, (f"{used} = {literal.value!r}", literal.location))
        del self.text.copied[name]
        self.text.copied[name] = ("\n".join(lines), script.location(node))


def _free_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a definition reads and does not bind itself, each once."""
    bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    read = (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    yield from dict.fromkeys(name for name in read if name not in bound)


def _root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _name(text: str) -> ast.expr:
    return ast.Name(text, ast.Load())


def filled(node: ast.expr, replace: Callable[[ast.expr], ast.expr | None]) -> ast.expr:
    """Return a copy of an expression in which `replace` has put other parts where it returns one."""

    class Filler(ast.NodeTransformer):
        def visit(self, part: ast.AST) -> ast.AST:
            other = replace(part) if isinstance(part, ast.expr) else None
            return other if other is not None else self.generic_visit(part)

    made = Filler().visit(copy.deepcopy(node))
    assert isinstance(made, ast.expr)  # noqa: S101 - an expression's copy
    return made
