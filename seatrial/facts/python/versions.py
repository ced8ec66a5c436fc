"""Tests that choose by a library's version, as far as the text tells: `if version.parse(torch.__version__) >= …`."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from seatrial.facts.python.places import dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.facts.python.places import Named

PARSERS = ("parse", "Version", "parse_version", "LooseVersion", "StrictVersion")
_ASKS = ("version", "hasattr", "find_spec")  # what a test has that looks before it leaps
_MOST_STEPS = 4  # from a name to what it stands for
_COMPARES: Mapping[type[ast.cmpop], Callable[[Version, Version], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_SWAPPED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VersionTest:
    """A test around an import that looks at what is installed.

    Attributes:
        library: the module whose version is compared; "" for a test that cannot be evaluated.
        compares: compares the library's version with the one that the text names.
        version: that one.
        holds: whether the import is executed if the comparison holds, or if it does not.
    """

    library: str = ""
    compares: Callable[[Version, Version], bool] = operator.eq
    version: Version | None = None
    holds: bool = True

    def chooses(self, locked: Version | None) -> bool:
        """Return whether the import is executed with this version of the library; not, if that is not known."""
        return bool(locked and self.version and self.compares(Version(locked.public), self.version) is self.holds)


def version_test(
    test: ast.expr, named: list[Named], bound: Callable[[str], str | ast.expr | None], *, holds: bool
) -> VersionTest | None:
    """Return what a test asks of versions; None for any other test.

    `named` is what it names. `bound` returns what alone is bound to a name: what an import brought, by its dotted name,
    or an expression.
    """
    match test:
        case ast.UnaryOp(ast.Not(), inner):
            return version_test(inner, named, bound, holds=not holds)
        case ast.Compare(left, [compares], [right]) if type(compares) in _COMPARES:
            for one, other, kind in (
                (left, right, type(compares)),
                (right, left, _SWAPPED.get(type(compares), type(compares))),
            ):
                library, version = _library(one, bound), _version(other)
                if library and version:
                    return VersionTest(library, _COMPARES[kind], version, holds)
    return VersionTest() if any(map(_asks, named)) else None


def _asks(named: Named) -> bool:
    match named:
        case ast.Name(text) | ast.Attribute(attr=text):
            return any(word in text.lower() for word in _ASKS)
    return False


def _library(node: ast.expr, bound: Callable[[str], str | ast.expr | None], steps: int = 0) -> str:
    """Return the module whose version an expression parses; "" if it is something else."""
    match node:
        case ast.Name(name) if steps < _MOST_STEPS:
            further = bound(name)
            return _library(further, bound, steps + 1) if isinstance(further, ast.expr) else ""
        case ast.Call(func, [ast.Attribute(ast.Name(name), "__version__")]) if _parses(func):
            library = bound(name)
            return library if isinstance(library, str) else ""
    return ""


def _version(node: ast.expr) -> Version | None:
    match node:
        case ast.Call(func, [ast.Constant(str(text))]) if _parses(func):
            try:
                return Version(text)
            except InvalidVersion:
                return None
    return None


def _parses(func: ast.expr) -> bool:
    return dotted(func).rpartition(".")[2] in PARSERS
