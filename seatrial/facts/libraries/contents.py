"""The files of libraries: in a folder of installed distributions, or in one wheel. They are read, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Protocol

_LARGEST = 8_388_608  # bytes of a module that is read
_COMPILED = (".so", ".pyd")
MODULES = (".py", *_COMPILED)  # how the names of files end that are modules


class Kind(StrEnum):
    """What a dotted name is in a library's files."""

    SOURCE = "source"
    PACKAGE = "package"
    COMPILED = "compiled"  # or with no source that could be read
    NAMESPACE = "namespace"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module is: its kind and the path of its file; "" if it has none."""

    kind: Kind
    path: str


class Contents(Protocol):
    """The files of one or several libraries."""

    def find(self, module: str) -> Place | None:
        """Return where a module is; None if there is none."""

    def read(self, path: str) -> bytes | None:
        """Return a file; None if it cannot be had."""

    def has_compiled(self, top: str) -> bool:
        """Return whether a top-level package has compiled modules, which may define names in its others."""

    @property
    def is_near(self) -> bool:
        """Whether reading many files takes no requests."""


@dataclass
class Installed:
    """A folder of installed distributions."""

    site: Path
    _listings: dict[str, frozenset[str]] = field(default_factory=dict)

    def find(self, module: str) -> Place | None:
        """Return where a module is."""
        folder, _, last = module.replace(".", "/").rpartition("/")
        names = self._listing(folder)
        if last in names and "__init__.py" in (inner := self._listing(f"{folder}/{last}".strip("/"))):
            return Place(Kind.PACKAGE, f"{folder}/{last}/__init__.py".strip("/"))
        if f"{last}.py" in names:
            return Place(Kind.SOURCE, f"{folder}/{last}.py".strip("/"))
        if any(name.startswith(f"{last}.") and name.endswith((*_COMPILED, ".pyc")) for name in names):
            return Place(Kind.COMPILED, "")
        if last in names and inner:
            compiled = any(name.startswith("__init__.") and name.endswith(_COMPILED) for name in inner)
            return Place(Kind.COMPILED if compiled else Kind.NAMESPACE, "")
        return None

    def read(self, path: str) -> bytes | None:
        """Return a file of the folder."""
        try:
            with (self.site / path).open("rb") as opened:
                content = opened.read(_LARGEST + 1)
        except (OSError, ValueError):
            return None
        return content if len(content) <= _LARGEST else None

    def has_compiled(self, top: str) -> bool:
        """Return whether a top-level package has compiled modules."""
        return any(
            name.endswith(_COMPILED) for _, _, names in os.walk(self.site / top, followlinks=False) for name in names
        )

    @property
    def is_near(self) -> bool:
        """Whether reading many files takes no requests."""
        return True

    def _listing(self, folder: str) -> frozenset[str]:
        known = self._listings.get(folder)
        if known is None:
            try:
                known = frozenset(os.listdir(self.site / folder))  # noqa: PTH208 - names, not Path objects
            except (OSError, ValueError):
                known = frozenset()
            self._listings[folder] = known
        return known


@dataclass
class Packed:
    """The files of one wheel: their names, and those that were read from it."""

    names: Collection[str]
    texts: Mapping[str, bytes]

    def find(self, module: str) -> Place | None:
        """Return where a module is."""
        base = module.replace(".", "/")
        if f"{base}/__init__.py" in self._by_path:
            return Place(Kind.PACKAGE, self._by_path[f"{base}/__init__.py"])
        if f"{base}.py" in self._by_path:
            return Place(Kind.SOURCE, self._by_path[f"{base}.py"])
        if base in self._compiled:
            return Place(Kind.COMPILED, "")
        return Place(Kind.NAMESPACE, "") if base in self._folders else None

    def read(self, path: str) -> bytes | None:
        """Return a file that was read from the wheel."""
        return self.texts.get(path)

    def has_compiled(self, top: str) -> bool:
        """Return whether a top-level package has compiled modules."""
        return any(name == top or name.startswith(f"{top}/") for name in self._compiled)

    @property
    def is_near(self) -> bool:
        """Whether reading many files takes no requests: all were read."""
        return len(self.texts) >= sum(name.endswith(".py") for name in self.names)

    @cached_property
    def _by_path(self) -> dict[str, str]:
        return {_installed_as(name): name for name in self.names if name.endswith(".py")}

    @cached_property
    def _compiled(self) -> frozenset[str]:
        files = (_installed_as(name) for name in self.names if name.endswith(_COMPILED))
        return frozenset(f"{folder}{slash}{name.partition('.')[0]}".removesuffix("/__init__")
                         for folder, slash, name in (file.rpartition("/") for file in files))  # fmt: skip

    @cached_property
    def _folders(self) -> frozenset[str]:
        found: set[str] = set()
        for name in self.names:
            parts = _installed_as(name).split("/")[:-1]
            found.update("/".join(parts[: n + 1]) for n in range(len(parts)))
        return frozenset(found)


def _installed_as(name: str) -> str:
    """Return where an installer puts a wheel's file: what is in NAME.data/purelib goes beside the rest."""
    parts = name.split("/", 2)
    return parts[2] if len(parts) == 3 and parts[0].endswith(".data") and parts[1].endswith("lib") else name
