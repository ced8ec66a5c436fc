"""Whether modules of libraries have names: followed through re-exports and star imports, as far as source tells.

"No" is said only where nothing is left that could define the name: no other star import, no `__getattr__` that may
answer, no compiled module. Everything else is unknown.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.facts.libraries import fallback
from seatrial.facts.libraries.contents import Contents, Kind
from seatrial.facts.libraries.defined import Defined, Definition, read

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_STARS = 8  # star imports that are followed one through the other
_MOST_STEPS = 12  # re-exports, base classes
_ALWAYS = frozenset(
    {"__name__", "__file__", "__doc__", "__path__", "__spec__", "__loader__", "__package__", "__dict__"}
)


@dataclass(frozen=True, slots=True)
class Looked:
    """Whether a name is there.

    Attributes:
        has: True, False, or None if the source does not tell.
        hint: what the module itself says about the name that it refuses, such as "Use `np.isin` instead."
    """

    has: bool | None
    hint: str = ""


YES, UNKNOWN = Looked(has=True), Looked(has=None)


@dataclass
class Library:
    """The modules of what `contents` holds; what was read stays in memory."""

    contents: Contents
    _read: dict[str, Defined | None] = field(default_factory=dict)

    def has_module(self, module: str) -> bool | None:
        """Return whether a module exists; None if a package above it may provide it in another way."""
        if self.contents.find(module) is not None:
            return True
        package = module
        while package := package.rpartition(".")[0]:
            place = self.contents.find(package)
            if place is None:
                continue
            if place.kind in (Kind.COMPILED, Kind.SOURCE):  # a module that is no package, such as six.moves
                return None
            above = self.defined(package) if place.kind is Kind.PACKAGE else None
            if place.kind is Kind.PACKAGE and (above is None or _provides_modules(above, module)):
                return None
        return False if self.contents.find(module.partition(".")[0]) else None

    def look(self, module: str, name: str) -> Looked:
        """Return whether `from module import name` finds something; the name may be that of a submodule."""
        return self._look(module, name, ())

    def _look(self, module: str, name: str, followed: tuple[str, ...]) -> Looked:
        place = self.contents.find(module)
        if place is None or place.kind is Kind.COMPILED:
            return UNKNOWN
        if self.contents.find(f"{module}.{name}") is not None or name in _ALWAYS:
            return YES
        if place.kind is Kind.NAMESPACE:
            return UNKNOWN  # another distribution may have it
        known = self.defined(module)
        if known is None or len(followed) >= _MOST_STARS:
            return UNKNOWN
        if name in known.bound:
            return YES
        unknown = known.open or name in (known.exported or ())
        for star in known.stars:
            if star in followed:
                continue
            found = self._through(star, name, (*followed, module))
            if found.has:
                return YES
            unknown = unknown or found.has is None
        if unknown:
            return UNKNOWN
        if known.fallback and not fallback.refuses(known.fallback, name, lambda table: self._table(known, table)):
            return UNKNOWN
        if not followed and self._is_set_from_above(module, name):
            return UNKNOWN
        return Looked(has=False, hint=self._hint(known, name) if known.fallback else "")

    def _is_set_from_above(self, module: str, name: str) -> bool:
        """Return whether a package above a module may assign the name as an attribute of it: `types.study = study`."""
        stored = re.compile(rb"\.\s*" + re.escape(name.encode()) + rb"\s*=[^=]")
        while module := module.rpartition(".")[0]:
            above = self.defined(module)
            if above and stored.search(above.content):
                return True
        return False

    def _through(self, star: str, name: str, followed: tuple[str, ...]) -> Looked:
        """Return whether `from star import *` binds a name."""
        if star.partition(".")[0] in sys.stdlib_module_names:
            return Looked(has=_in_standard_library(star, name))
        source = self.defined(star)
        if source and source.exported is not None and name not in source.exported:
            return Looked(has=False)
        if source and source.exported is None and name.startswith("_"):
            return Looked(has=None if "__all__" in source.bound else False)
        found = self._look(star, name, followed)
        if found.has is False and source and source.fallback:
            return Looked(has=False)
        return found

    def defined(self, module: str) -> Defined | None:
        """Return what a module's source defines; None if it has none that can be read."""
        if module not in self._read:
            place = self.contents.find(module)
            content = self.contents.read(place.path) if place and place.path else None
            is_package = place is not None and place.kind is Kind.PACKAGE
            self._read[module] = None if content is None else read(content, module, is_package=is_package)
        return self._read[module]

    def followed(self, name: str) -> str:
        """Return the dotted name under which a class or function is defined; "" if the source does not tell."""
        for _ in range(_MOST_STEPS):
            module, _, last = name.rpartition(".")
            known = self.defined(module) if module else None
            if known is None:
                return ""
            if last in known.definitions:
                return name
            target = known.bound.get(last)
            if target is None:
                target = next((f"{star}.{last}" for star in known.stars if self._through(star, last, ()).has), "")
            if not target:
                return ""
            name = target
        return ""

    def definition(self, name: str) -> tuple[Defined, Definition] | None:
        """Return a class or function by its dotted name, wherever it is defined, with its module."""
        module, _, last = self.followed(name).rpartition(".")
        known = self.defined(module) if module else None
        return (known, known.definitions[last]) if known else None

    def module_like(self, module: str) -> str:
        """Return the module nearest to one that does not exist, by its last names; "" if none is like it.

        It is looked for in the package, and in the packages above it without one step: `timm.layers.x` for
        `timm.models.layers.x`.
        """
        parts = module.split(".")
        for step in range(len(parts) - 2, 0, -1):
            shorter = ".".join([*parts[:step], *parts[step + 1 :]])
            if self.contents.find(shorter) is not None:
                return shorter
        private = ".".join([*parts[:-1], f"_{parts[-1]}"])
        return private if self.contents.find(private) is not None else ""

    def _table(self, known: Defined, name: str) -> Mapping[str, str] | None:
        """Return the texts of a collection that a module binds or imports; None if they are not known."""
        for _ in range(_MOST_STEPS):
            if name in known.tables:
                return known.tables[name]
            module, _, name = known.bound.get(name, "").rpartition(".")
            source = self.defined(module) if module else None
            if source is None:
                return None
            known = source
        return None

    def _hint(self, known: Defined, name: str) -> str:
        """Return what belongs to a refused name in one of the collections that the module's `__getattr__` reads."""
        assert known.fallback is not None  # noqa: S101 - only asked for a module that has one
        read = [part.id for part in ast.walk(known.fallback) if isinstance(part, ast.Name)]
        texts = (self._table(known, table) for table in dict.fromkeys(read))
        return next((" ".join(text[name].split()) for text in texts if text and text.get(name)), "")


def _provides_modules(package: Defined, module: str) -> bool:
    """Return whether importing a package may put a module into sys.modules, or look for it elsewhere.

    A package that puts in modules under names that it computes is taken to spell the last part of each.
    """
    text = package.content
    if b"modules" not in text and b"meta_path" not in text and b"__path__" not in text:
        return False
    last = re.escape(module.rpartition(".")[2].encode())
    is_spelled = re.search(rb"\b" + last + rb"\b", text) is not None
    for statement in package.statements:
        for part in ast.walk(statement):
            match part:
                case ast.Attribute(attr="meta_path") | ast.Name("__path__", ast.Store()):
                    return True
                case ast.Subscript(ast.Attribute(attr="modules"), ctx=ast.Store()) if is_spelled:
                    return True
                case ast.Attribute(ast.Attribute(attr="modules"), "setdefault" | "update") if is_spelled:
                    return True
    return False


def _in_standard_library(module: str, name: str) -> bool | None:
    """Return whether a module of Python exports a name; None if it is not loaded here already."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return None
    return name in getattr(loaded, "__all__", dir(loaded))
