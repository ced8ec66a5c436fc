"""What the modules of a library have besides names: attributes of classes, parameters, words of deprecation."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from seatrial.facts.libraries.defined import Defined, Definition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.facts.libraries.library import Library

Function = ast.FunctionDef | ast.AsyncFunctionDef

_MOST_BASES = 20
_WITHOUT_MORE = ("object", "abc.ABC", "typing.Generic")  # bases that add no attributes of their own
_ADVICE = re.compile(
    r"\b(?:instead|renamed|moved to|replaced|(?:please|should) (?:use|import)|import via)\b", re.IGNORECASE
)
_DEPRECATES = re.compile(r"deprecat|warn|removed", re.IGNORECASE)
_LONGEST = 200  # characters of an advice


def has(library: Library, module: str, name: str = "", parameter: str = "", *, called: bool = False) -> bool | None:
    """Return whether a library has a module, a name in it, an attribute of a class, or a parameter of a function.

    If the name is `called`, a module of that name is something else.
    """
    exists = library.has_module(module)
    if not exists or not name:
        return exists
    if called and library.contents.find(f"{module}.{name}") is not None:
        known = library.defined(module)
        return name in known.bound if known else None
    owner, _, attribute = name.rpartition(".")
    found = _has_attribute(library, f"{module}.{owner}", attribute) if owner else _has_name(library, module, name)
    return _has_parameter(library, f"{module}.{name}", parameter) if found and parameter else found


def bases(library: Library, name: str, package: str = "") -> tuple[list[ast.ClassDef], bool]:
    """Return a class and its bases as far as the library defines them, and whether these are all.

    With `package`, only classes of that top-level package count.
    """
    found: list[ast.ClassDef] = []
    pending, complete = [name], True
    while pending and len(found) < _MOST_BASES:
        is_looked_at = pending[0] not in _WITHOUT_MORE and package in ("", pending[0].partition(".")[0])
        known = library.definition(pending[0]) if is_looked_at else None
        if known is None:
            complete = complete and pending[0] in _WITHOUT_MORE
        elif isinstance(known[1], ast.ClassDef) and known[1] not in found:
            found.append(known[1])
            pending += [_base(base, known[0]) for base in known[1].bases]
        pending.pop(0)
    return found, complete and not pending


def methods(node: ast.ClassDef) -> dict[str, Function]:
    """Return the methods that a class's body defines, by name; those inside an `if` too."""
    inner = (s for s in node.body for s in (s.body + s.orelse if isinstance(s, ast.If) else [s]))
    return {statement.name: statement for statement in inner if isinstance(statement, Function)}


def attributes(node: ast.ClassDef) -> set[str]:
    """Return the names that a class's body binds, and those that its methods store in an object."""
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            found.add(part.attr)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, Function | ast.ClassDef) and part is not node:
            found.add(part.name)
    return found


def advice(library: Library, module: str, name: str) -> str:
    """Return what a release says about the future of a module or name, in a warning, a decorator or a docstring."""
    known = library.defined(module)
    if known is None:
        return ""
    if not name:
        return _advice((s for s in known.statements if not isinstance(s, Definition)), known)
    owner, _, method = name.rpartition(".")
    found = library.definition(f"{module}.{owner or method}")
    if found is None:
        return ""
    node: Definition | None = found[1]
    if owner and isinstance(node, ast.ClassDef):
        node = methods(node).get(method)
    if node is None:
        return ""
    init = methods(node).get("__init__") if isinstance(node, ast.ClassDef) else node
    return _advice([*node.decorator_list, *(init.body if init else ()), *node.body[:1]], found[0])


def is_class(node: Definition) -> bool:
    """Return whether a definition is a class."""
    return isinstance(node, ast.ClassDef)


def returned(node: Definition, module: Defined) -> list[str]:
    """Return the dotted names of the classes that a function's annotation says it returns; [] if it says none."""
    if isinstance(node, ast.ClassDef) or node.returns is None or node.decorator_list:
        return []
    try:
        annotation: ast.expr = (
            ast.parse(node.returns.value, mode="eval").body
            if isinstance(node.returns, ast.Constant) and isinstance(node.returns.value, str)
            else node.returns
        )
    except (SyntaxError, ValueError):
        return []
    pending, found = [annotation], list[str]()
    while pending:
        part = pending.pop()
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr):
            pending += [part.right, part.left]
        elif isinstance(part, ast.Name | ast.Attribute):
            found.append(_base(part, module))
        else:
            return []
    return found


def raises(method: Function, error: str) -> bool:
    """Return whether all that a function does is to raise an error, besides what it documents."""
    body = [s for s in method.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    match body:
        case [ast.Raise(ast.Name(name))] | [ast.Raise(ast.Call(ast.Name(name)))]:
            return name == error
    return False


def _has_name(library: Library, module: str, name: str) -> bool | None:
    """Return whether a module has a name; one that answers by itself has what it spells, such as a deprecated name."""
    found = library.look(module, name).has
    known = library.defined(module) if found is None else None
    if known and (known.fallback or known.open):
        return re.search(rb"\b" + re.escape(name.encode()) + rb"\b", known.content) is not None or None
    return found


def _has_attribute(library: Library, owner: str, attribute: str) -> bool | None:
    nodes, complete = bases(library, owner)
    if not nodes:
        return None
    if any(attribute in attributes(node) for node in nodes):
        return True
    answers = any("__getattr__" in methods(node) or node.keywords or node.decorator_list for node in nodes)
    return False if complete and not answers else None


def _has_parameter(library: Library, name: str, parameter: str) -> bool | None:
    found = library.definition(name)
    if found is None:
        return None
    nodes: list[Function] = []
    if isinstance(found[1], ast.ClassDef):
        classes, _ = bases(library, name)
        init = next(
            (m for node in classes for m in [methods(node).get("__init__") or methods(node).get("__new__")] if m), None
        )
        if init is None or any(node.decorator_list for node in classes):
            return None
        nodes = [init]
    else:
        nodes = [found[1]]
    for node in nodes:
        a = node.args
        if parameter in {p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)}:
            return True
        if a.kwarg or (node.decorator_list and not isinstance(found[1], ast.ClassDef)):
            return None
    return False


def _base(node: ast.expr, module: Defined) -> str:
    """Return the dotted name of a base class, resolved in the module of the class that has it; "?" if unknown."""
    parts: list[str] = []
    inner = node.value if isinstance(node, ast.Subscript) else node  # Generic[T]
    while isinstance(inner, ast.Attribute):
        parts.insert(0, inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return "?"
    if inner.id in module.definitions:
        head = f"{module.module}.{inner.id}"
    else:
        head = module.bound.get(inner.id, "?" if inner.id in module.bound else inner.id)
    return ".".join([head, *parts])


def _advice(nodes: Iterable[ast.AST], module: Defined) -> str:
    """Return what a call that deprecates or warns says, else a sentence of a docstring that does."""
    sentences: list[str] = []
    for part in (part for node in nodes for part in ast.walk(node)):
        if isinstance(part, ast.Call) and (named := _DEPRECATES.search(ast.unparse(part.func))):
            texts = [text for argument in part.args for text in _text(argument, module) if " " in text.strip()]
            if "deprecat" in named[0].lower() and texts:
                return _shortened([ast.unparse(part)])
            if texts:
                return _shortened(_sentences(texts[0]))
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str):
            sentences += _sentences(part.value.value)
    said = (s for s in sentences if _ADVICE.search(s) and _DEPRECATES.search(s))
    return _shortened([next(said, "")])


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.;])\s+|\n\s*\n", text)


def _shortened(sentences: list[str]) -> str:
    """Join sentences, as many as are short enough together."""
    text = ""
    for sentence in sentences:
        plain = " ".join(sentence.split())
        if text and len(text) + len(plain) >= _LONGEST:
            break
        text = f"{text} {plain}".strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _text(argument: ast.expr, module: Defined) -> Iterator[str]:
    if isinstance(argument, ast.JoinedStr):
        yield "".join(_piece(value, module) for value in argument.values)
    elif isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value


def _piece(value: ast.expr, module: Defined) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    named = isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name) and value.value.id == "__name__"
    return module.module if named else "…"
