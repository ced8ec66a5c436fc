"""Reads the Python of a repository: modules, scripts, and the cells of notebooks."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import tomllib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial import layout
from seatrial.facts.python.tree import Tree
from seatrial.facts.repository import hydra
from seatrial.facts.repository.script import Script
from seatrial.facts.repository.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGEST = 4_000_000  # bytes of a file that is read; notebooks hold pictures
MOST = 2000  # files
_NOT_OURS = {"build", "dist", "node_modules", "__pycache__", "site-packages", ".ipynb_checkpoints", "venv", "env"}
_ABOUT = re.compile(r"torch|timm|albumentations|artifacts_uri|from_path")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+([^\n#]+)", re.MULTILINE)


def read_scripts(root: Path, about: re.Pattern[str] = _ABOUT) -> Scripts:
    """Read the Python files and notebooks below a folder that are about torch, and those that they import.

    `about` is searched in them; by default it finds what is about torch. No environment, build or hidden folder is
    read, and no tests.
    """
    read: list[Script] = []
    unreadable: list[str] = []
    folders = layout.folders(_tool(root))
    texts = dict(_texts(root, unreadable))
    for path in sorted(_chosen(texts, about))[:MOST]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an invalid escape in a user's string
                tree = ast.parse(texts[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            unreadable.append(path)
            continue
        read.append(Script(path, _module_of(root, folders, path), texts[path], tree))
    configurations = tuple(hydra.composed(root, read))
    return Scripts(root, (*read, *hydra.calls(configurations, read)), tuple(unreadable), configurations)


def _texts(root: Path, unreadable: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the path and the source of every file; what is no notebook in spite of its name is unreadable."""
    for path in (*Tree(root).scripts(), *_notebooks(root)):
        file = root / path
        if {"tests", "test"} & set(path.split("/")[:-1]) or file.stat().st_size > LARGEST:
            continue
        try:
            yield path, _cells(file) if path.endswith(".ipynb") else file.read_text("utf-8-sig", errors="replace")
        except (ValueError, OSError, TypeError, KeyError, AttributeError, RecursionError):
            unreadable.append(path)


def _chosen(texts: Mapping[str, str], about: re.Pattern[str]) -> set[str]:
    """Return the paths of the files that name what is looked for, and of those that they import by name."""
    found = {path for path, text in texts.items() if about.search(text)}
    by_name: dict[str, list[str]] = {}
    for path in texts:
        stem = path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]
        by_name.setdefault(stem, []).append(path)
    for _ in range(2):  # a script, its settings, and what these import
        lines = {line for path in found for line in _IMPORT.findall(texts[path])}
        names = {name for line in lines for name in re.findall(r"\w+", line)}
        found |= {path for name in names for path in by_name.get(name, ())}
    return found


def _notebooks(root: Path) -> Iterator[str]:
    """Yield the paths of the notebooks below a folder."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_OURS)
        inside = Path(folder).relative_to(root)
        yield from ((inside / name).as_posix() for name in names if name.endswith(".ipynb"))


def _cells(file: Path) -> str:
    """Return the code of a notebook as one text; lines for IPython are left empty, and cells that are no Python out."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    texts = []
    for cell in cells:
        if cell.get("cell_type") != "code":
            continue
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        lines = ["" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()]
        try:
            ast.parse("\n".join(lines))
        except (SyntaxError, ValueError):
            continue
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def _tool(root: Path) -> dict[str, Any]:
    """Return [tool] of pyproject.toml; empty if there is none that can be read."""
    with contextlib.suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool")
        return tool if isinstance(tool, dict) else {}
    return {}


def _module_of(root: Path, folders: Sequence[str], path: str) -> str:
    """Return the dotted name of a file; "" if it has none. A folder that is a package itself is a part of the name."""
    plain = path.removesuffix(".py").removesuffix("/__init__")
    for folder in folders:
        if folder and plain.startswith(f"{folder}/") and not (root / folder / "__init__.py").exists():
            plain = plain.removeprefix(f"{folder}/")
            break
    parts = plain.split("/")
    return ".".join(parts) if path.endswith(".py") and all(part.isidentifier() for part in parts) else ""
