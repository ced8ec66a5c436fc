"""File paths as the source composes them: `Path(__file__).parent / "labels.json"`, os.path.join, f-strings.

A path has a beginning, which may be a name that only another module knows, and the parts that follow it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = "?"
UP = ".."
READS = {"read_text", "read_bytes", "open", "iterdir", "glob", "rglob"}  # methods of paths
MOST_DEPTH = 12  # expressions within one path

# Calls that return their arguments as one path.
_JOINS = {
    *(f"pathlib.{name}()" for name in ("Path", "PurePath", "PosixPath", "PurePosixPath")),
    *(f"os.path.{name}()" for name in ("join", "abspath", "realpath", "normpath", "expanduser", "expandvars")),
    *(f"posixpath.{name}()" for name in ("join", "abspath", "realpath", "normpath")),
    "builtins.str()", "os.fspath()", "os.fsdecode()", "importlib.resources.as_file()", "importlib_resources.as_file()",
}  # fmt: skip
_PARENT_OF = {"os.path.dirname()", "posixpath.dirname()"}
_PACKAGE_OF = {"importlib.resources.files()", "importlib_resources.files()"}  # a package's name → its folder
_SAME = {"resolve", "absolute", "expanduser", "as_posix", "__str__", "__enter__"}  # methods that keep the path
_METHODS = {*_SAME, "joinpath", "with_name"}


@dataclass(frozen=True, slots=True)
class PathText:
    """A path.

    Attributes:
        base: "" where the text itself begins it; a resolved name, such as `os.environ[]` or `predictor.places.ROOT`;
            `MODULE.__file__` for a module's own file; `MODULE.__path__` for a package's folder; `?` if unknown.
        parts: what follows, as written; `..` is the parent, and `?` a part that is not known.
    """

    base: str
    parts: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether all of it is known, a resolved beginning included."""
        return self.base != UNKNOWN and UNKNOWN not in self.parts

    def joined(self, other: PathText | None) -> PathText:
        """Return the path with another after it; an absolute path replaces what comes before it."""
        if other is None or other.base == UNKNOWN:
            return PathText(self.base, (*self.parts, UNKNOWN))
        if other.base or (other.parts and is_absolute(other.parts[0])):
            return other if not other.base or "__" in other.base else PathText(self.base, (*self.parts, UNKNOWN))
        return PathText(self.base, (*self.parts, *other.parts))

    def up(self, times: int = 1) -> PathText:
        """Return the parent."""
        return PathText(self.base, (*self.parts, *[UP] * times))


def of_text(text: str) -> PathText:
    """Return a literal as a path."""
    return PathText("", (text,) if text else ())


def is_absolute(text: str) -> bool:
    """Return whether a text begins an absolute path, of Windows too."""
    return text.startswith(("/", "~")) or (text[1:3] in (":\\", ":/") and text[0].isalpha())


def is_method_of_path(node: ast.expr) -> TypeGuard[ast.Attribute]:
    """Return whether a function is a method of paths that reads."""
    return isinstance(node, ast.Attribute) and node.attr in READS


def is_composed(node: ast.AST | None, name: str) -> bool:
    """Return whether an expression composes a path; `name` is what it is called, resolved."""
    if isinstance(node, ast.Call):
        return (
            name in _JOINS
            or name in _PARENT_OF
            or name in _PACKAGE_OF
            or (isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS)
        )
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "parents"
    return isinstance(node, ast.Attribute) and node.attr == "parent"


class Composer:
    """Reads expressions as paths; `inner` returns the path of an expression that composes nothing itself."""

    def __init__(self, module: str, inner: Callable[[ast.expr], PathText | None], name: Callable[[ast.expr], str]):
        self._module = module
        self._inner = inner
        self._name = name

    def of(self, node: ast.expr, depth: int = 0) -> PathText | None:
        """Return the path that an expression composes; None if it is none."""
        if depth > MOST_DEPTH:
            return None
        match node:
            case ast.BinOp(left, ast.Div(), right):
                return self._joined([left, right], depth)
            case ast.BinOp(left, ast.Add(), right):
                return self._glued([left, right], depth)
            case ast.JoinedStr(values):
                inner = [v.value if isinstance(v, ast.FormattedValue) else v for v in values]
                return self._glued(inner, depth)
            case ast.Attribute(value, "parent"):
                found = self.of(value, depth + 1)
                return found and found.up()
            case ast.Subscript(ast.Attribute(value, "parents"), ast.Constant(int(times))) if 0 <= times <= MOST_DEPTH:
                found = self.of(value, depth + 1)
                return found and found.up(times + 1)
            case ast.Call():
                return self._called(node, depth)
        return self._inner(node)

    def _called(self, node: ast.Call, depth: int) -> PathText | None:
        name, given = self._name(node), node.args
        if name in _JOINS:
            return self._joined(given, depth)
        if name in _PARENT_OF and given:
            found = self.of(given[0], depth + 1)
            return found and found.up()
        if name in _PACKAGE_OF:
            return self._package(given[0] if given else None)
        match node.func:
            case ast.Attribute(value, method) if method in _SAME:
                return self.of(value, depth + 1)
            case ast.Attribute(value, "joinpath"):
                return self._joined([value, *given], depth)
            case ast.Attribute(value, "with_name"):
                found = self.of(value, depth + 1)
                return found.up().joined(self.of(given[0], depth + 1)) if found and given else None
        return self._inner(node)

    def _package(self, given: ast.expr | None) -> PathText | None:
        """Return the folder of the package that an argument names, or of the module's own."""
        if given is None or (isinstance(given, ast.Name) and given.id == "__package__"):
            return PathText(f"{self._module}.__file__", (UP,))
        if isinstance(given, ast.Name) and given.id == "__name__":
            return PathText(f"{self._module}.__path__")
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            return PathText(f"{given.value}.__path__")
        name = self._name(given)
        return PathText(f"{name}.__path__") if not name.startswith(UNKNOWN) and "(" not in name else None

    def _joined(self, nodes: list[ast.expr], depth: int) -> PathText | None:
        found: PathText | None = None
        for number, node in enumerate(nodes):
            if isinstance(node, ast.Starred):
                return found and PathText(found.base, (*found.parts, UNKNOWN))
            part = self.of(node, depth + 1)
            found = found.joined(part) if found and number else part or PathText(UNKNOWN)
        return found if nodes else PathText("")

    def _glued(self, nodes: list[ast.expr], depth: int) -> PathText | None:
        """Return the path of texts that are written one after the other."""
        found: PathText | None = None
        for number, node in enumerate(nodes):
            part = self.of(node, depth + 1) or PathText(UNKNOWN)
            if not number or found is None:
                found = part
            elif part.base or len(part.parts) != 1:
                found = PathText(found.base, (*found.parts[:-1], UNKNOWN))
            elif part.parts[0].startswith("/"):
                found = PathText(found.base, (*found.parts, part.parts[0][1:]))
            elif found.parts and UNKNOWN in found.parts[-1]:
                continue
            elif not found.parts or found.parts[-1] == UP:
                found = PathText(found.base, (*found.parts, UNKNOWN))
            else:
                found = PathText(found.base, (*found.parts[:-1], found.parts[-1] + part.parts[0]))
        return found
