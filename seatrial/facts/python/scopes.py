"""What the names of one module stand for: scopes with their bindings, and how a name is followed to an import.

A name is followed only while one thing alone is bound to it; everything else is unknown. Every chain is bounded, so
that no source, however deep, costs more than its length.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field, replace

from seatrial.facts.python.calls import UNKNOWN, UNKNOWN_NAME, Value
from seatrial.facts.python.paths import Composer, PathText, is_composed, of_text

MOST_LINKS = 40  # of one chain a.b().c…; the longest that code in the wild has is far shorter
MOST_STEPS = 12  # from name to name
LONGEST_NAME = 300
MOST_ITEMS = 40  # of a tuple or list that is kept
LINKS = frozenset([ast.Attribute, ast.Call, ast.Subscript, ast.Await, ast.NamedExpr])
BUILTINS = {name: Value(f"builtins.{name}") for name in dir(builtins)}

Binding = str | ast.expr | None  # a resolved name, an assigned expression, or unknown


@dataclass(slots=True)
class Scope:
    """A module, class or function while it is read.

    Attributes:
        kind: "module", "class" or "function".
        qualname: empty for the module.
        parent: the scope around it.
        dotted: its name for others: `predictor.network.build`.
        bindings: everything that is bound to a name in it.
        attributes: of a class, everything that its methods and its body assign to `self.NAME`, with the scope of it.
        receiver: of a method, the name of its first parameter; empty for static methods.
        is_classmethod: whether that is the class itself.
        itself, instance: of a class, what its name stands for, and what a call of it makes.
    """

    kind: str
    qualname: str
    parent: Scope | None
    dotted: str
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    attributes: dict[str, list[tuple[Binding, Scope]]] = field(default_factory=dict)
    receiver: str = ""
    is_classmethod: bool = False
    mentions: set[str] = field(default_factory=set)
    returns: list[ast.expr | None] = field(default_factory=list)
    decorators: list[ast.expr] = field(default_factory=list)
    itself: Value = field(init=False)
    instance: Value = field(init=False)
    _values: dict[str, Value] = field(default_factory=dict)
    _attribute_values: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.itself, self.instance = Value(self.dotted), Value(f"{self.dotted}()")

    def bind(self, name: str, binding: Binding) -> None:
        """Note that something is bound to a name."""
        self.bindings.setdefault(name, []).append(binding)

    def runs_in(self) -> Scope:
        """Return the function or module that runs its statements: for a class, the one around it."""
        scope = self
        while scope.kind == "class" and scope.parent:
            scope = scope.parent
        return scope

    def method_of(self) -> Scope | None:
        """Return the class of which it is a method, or of whose method it is a function."""
        scope: Scope | None = self
        while scope and scope.kind == "function":
            if scope.parent and scope.parent.kind == "class" and scope.receiver:
                return scope.parent
            scope = scope.parent
        return None


class Names:
    """Resolves the names of one module, once all of it was read."""

    def __init__(self, module: str, stars: list[str]) -> None:
        self._module = module
        self._stars = stars

    def value(self, node: ast.expr | None, scope: Scope, *, steps: int = 0, depth: int = 0) -> Value:
        """Return what an expression stands for."""
        if type(node) is ast.Name:
            return self._of_name(node.id, scope, steps)
        if node is not None and type(node) in LINKS:
            found = self._chain(node, scope, steps)
            return replace(found, path=self.path(node, scope, steps)) if is_composed(node, found.name) else found
        if type(node) is ast.Constant:
            return UNKNOWN if node.value is Ellipsis else Value(constant=node.value, is_constant=True)
        match node:
            case None:
                return Value(is_constant=True)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
                return Value(constant=-number, is_constant=True)
            case ast.Lambda():
                return Value(is_lambda=True)
            case ast.Tuple(elts) | ast.List(elts) | ast.Dict(values=elts) if depth <= 1 and len(elts) <= MOST_ITEMS:
                return Value(items=tuple(self.value(item, scope, steps=steps, depth=depth + 1) for item in elts))
            case ast.BinOp(op=ast.Div() | ast.Add()) | ast.JoinedStr() if steps < MOST_STEPS:
                path = self.path(node, scope, steps)
                return Value(UNKNOWN_NAME, path=path) if path else UNKNOWN
            case _:
                return UNKNOWN

    def path(self, node: ast.expr | None, scope: Scope, steps: int = 0) -> PathText | None:
        """Return an expression as a path; None if it is no path."""
        if node is None or steps >= MOST_STEPS:
            return None

        def inner(part: ast.expr) -> PathText | None:
            if isinstance(part, ast.Name) and part.id == "__file__":
                return PathText(f"{self._module}.__file__")
            if is_composed(part, "") or isinstance(part, ast.BinOp | ast.JoinedStr):
                return None  # the composer has given it up
            value = self.value(part, scope, steps=steps + 1)
            if isinstance(value.constant, str):
                return of_text(value.constant)
            return value.path or (PathText(value.name) if value.is_known and value.name else None)

        return Composer(self._module, inner, lambda part: self._chain(part, scope, steps + 1).name).of(node)

    def name(self, node: ast.expr, scope: Scope) -> str:
        """Return what an expression is called, with a leading `?` if its beginning is unknown."""
        if type(node) in LINKS:
            found = self._linked(node, scope, 0)
            return found if isinstance(found, str) else found.name or UNKNOWN_NAME
        return self.value(node, scope).name or UNKNOWN_NAME

    def bound(self, name: str, scope: Scope) -> Value:
        """Return what a name bound in exactly this scope stands for."""
        return self._bound(name, scope, 0)

    def _chain(self, node: ast.expr, scope: Scope, steps: int) -> Value:
        found = self._linked(node, scope, steps)
        if isinstance(found, str):
            return Value(found, end=end_of(node) if isinstance(node, ast.Call) else None)
        return found

    def _linked(self, node: ast.expr, scope: Scope, steps: int) -> Value | str:
        """Return the name of a chain of attributes, calls and items, or what it stands for if more is known of it."""
        links: list[str] = []
        while len(links) < MOST_LINKS:
            if type(node) is ast.Attribute:
                links.append(f".{node.attr}")
                node = node.value
            elif type(node) is ast.Call:
                links.append("()")
                node = node.func
            elif type(node) is ast.Subscript:
                links.append("[]")
                node = node.value
            elif isinstance(node, ast.Await | ast.NamedExpr):
                node = node.value
            else:
                break
        root = self._of_name(node.id, scope, steps) if type(node) is ast.Name else UNKNOWN
        if not links:
            return root
        links.reverse()
        owner = scope.method_of() if root.name.startswith(self._module) else None
        if owner and root.name in (owner.itself.name, owner.instance.name):
            found = self._attribute(links[0].removeprefix("."), owner, steps + 1)
            if found is not None and len(links) == 1:
                return found
            root, links = (root, links) if found is None else (found, links[1:])
        name = (root.name or UNKNOWN_NAME) + "".join(links)
        return name if len(name) <= LONGEST_NAME else UNKNOWN_NAME + links[-1]

    def _of_name(self, name: str, scope: Scope, steps: int) -> Value:
        around: Scope | None = scope
        while around:
            # What a class's body binds is seen in that body alone, not in its methods.
            if name in around.bindings and (around.kind != "class" or around is scope):
                if around.receiver == name and len(around.bindings[name]) == 1 and around.parent:
                    return around.parent.itself if around.is_classmethod else around.parent.instance
                return self._bound(name, around, steps)
            around = around.parent
        if name in BUILTINS:
            return BUILTINS[name]
        return Value(f"{self._stars[0]}.{name}") if len(self._stars) == 1 else UNKNOWN

    def _bound(self, name: str, scope: Scope, steps: int) -> Value:
        known = scope._values.get(name)
        if known is None:
            scope._values[name] = UNKNOWN  # while it is followed: a name that stands for itself is unknown
            bindings = [(binding, scope) for binding in scope.bindings[name]]
            known = scope._values[name] = self._only(bindings, steps)
        return known

    def _attribute(self, name: str, owner: Scope, steps: int) -> Value | None:
        """Return what `self.NAME` is, if exactly one assignment sets it; None if it must keep its name."""
        if name not in owner.attributes or not all(map(_is_none, owner.bindings.get(name, ()))):
            return None
        known = owner._attribute_values.get(name)
        if known is None:
            owner._attribute_values[name] = UNKNOWN
            assigned = [(b, s) for b, s in owner.attributes[name] if not _is_none(b)]
            known = self._only(assigned, steps) if assigned else UNKNOWN
            owner._attribute_values[name] = known
        return None if known.name == UNKNOWN_NAME and known.path is None else known

    def _only(self, bindings: list[tuple[Binding, Scope]], steps: int) -> Value:
        if steps >= MOST_STEPS:
            return UNKNOWN
        found: Value | None = None
        for binding, scope in bindings:
            if binding is None:
                return UNKNOWN
            value = Value(binding) if isinstance(binding, str) else self.value(binding, scope, steps=steps + 1)
            if found is not None and value != found:
                return UNKNOWN
            found = value
        return found or UNKNOWN


def end_of(call: ast.Call) -> tuple[int, int]:
    """Return where a call ends: no two calls of a module end at one place, though they may begin at one."""
    return call.end_lineno or 0, call.end_col_offset or 0


def _is_none(binding: Binding) -> bool:
    return isinstance(binding, ast.Constant) and binding.value is None
