"""The project's folder as a tree of Python files, shipped or not: where a module is, and where a name is defined."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.facts.python.module import Module
from seatrial.facts.python.syntax import read_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.findings import Location

NEVER_SOURCE = {"build", "dist", "node_modules", "__pycache__", "site-packages"}


@dataclass(frozen=True, slots=True)
class Tree:
    """The Python files below `root`, read when something is asked; `folders` of it are on Python's path."""

    root: Path
    folders: tuple[str, ...] = ("",)

    def locate(self, module: str) -> str | None:
        """Return the path of a module by its dotted name from the root; None if it does not exist."""
        parts = module.split(".")
        if not all(part.isidentifier() for part in parts) or parts[0] in NEVER_SOURCE:
            return None
        bases = [self.root.joinpath(folder, *parts) for folder in self.folders]
        for base in bases:
            for file in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
                if file.is_file():
                    return file.relative_to(self.root).as_posix()
        found = (base for base in bases if base.is_dir() and any(base.glob("*.py")))
        return next((base.relative_to(self.root).as_posix() for base in found), None)

    def tops(self) -> frozenset[str]:
        """Return what the names of the modules that `locate` may find can begin with."""
        entries = (entry for folder in self.folders for entry in _entries(self.root / folder))
        names = {entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py") or entry.is_dir()}
        return frozenset({name for name in names if name.isidentifier()} - NEVER_SOURCE)

    def definitions(self, names: Iterable[str]) -> dict[str, Location]:
        """Return where classes and functions of these names are defined, at the top level of any script or module."""
        wanted = set(names)
        found: dict[str, Location] = {}
        if not wanted:
            return found
        any_name = "|".join(map(re.escape, sorted(wanted)))
        pattern = re.compile(rf"^(?:class|(?:async\s+)?def)\s+(?:{any_name})\b", re.MULTILINE)
        for path in self.scripts():
            file = self.root / path
            if pattern.search(file.read_text(encoding="utf-8", errors="replace")):
                module = read_module(file, file.stem, path)
                if isinstance(module, Module):
                    found = {n: where for n, where in module.definitions.items() if n in wanted} | found
        return found

    def scripts(self) -> Iterator[str]:
        """Yield the path of every .py file, sorted; no environment, build, hidden folder or other project."""
        yield from _scripts(str(self.root), "")


def _scripts(root: str, folder: str) -> Iterator[str]:
    """Yield the paths of the .py files of a folder from the root; as texts, for a repository may have thousands."""
    with os.scandir(f"{root}/{folder}") as listing:  # it knows folders from files without asking for each
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.endswith(".py") and entry.name != ".py" and entry.is_file():
            yield f"{folder}{entry.name}"
        elif entry.is_dir(follow_symlinks=False) and not _is_foreign(entry):
            yield from _scripts(root, f"{folder}{entry.name}/")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except OSError:
        return []


def _is_foreign(folder: os.DirEntry[str]) -> bool:
    hidden = folder.name.startswith(".") or folder.name in NEVER_SOURCE
    return hidden or os.path.exists(f"{folder.path}/pyvenv.cfg") or _is_project(f"{folder.path}/pyproject.toml")  # noqa: PTH110


def _is_project(file: str) -> bool:
    return os.path.isfile(file) and b"[tool.seatrial" in Path(file).read_bytes()  # noqa: PTH113
