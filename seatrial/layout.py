"""Where a project keeps its packages: in the root, in `src/`, or where its build backend is told to look.

Folders are relative to the project's root; "" is the root itself.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

USUAL = ("", "src")
# Keys of build backends whose value is the folder of the packages, below [tool].
_FOLDERS = (
    ("setuptools", "package-dir", ""),  # https://setuptools.pypa.io/en/latest/userguide/package_discovery.html
    ("setuptools", "packages", "find", "where"),
    ("hatch", "build", "sources"),  # https://hatch.pypa.io/latest/config/build/#rewriting-paths
    ("hatch", "build", "targets", "wheel", "sources"),
    ("pdm", "build", "package-dir"),  # https://backend.pdm-project.org/build_config/
    ("uv", "build-backend", "module-root"),  # https://docs.astral.sh/uv/reference/settings/#build-backend
    ("maturin", "python-source"),  # https://www.maturin.rs/project_layout
)
# Keys whose value lists packages with their folder: src/fish.
_PACKAGES = (
    ("hatch", "build", "targets", "wheel", "packages"),
    ("hatch", "build", "packages"),
    ("scikit-build", "wheel", "packages"),
)


def home_of(root: Path, within: Iterable[str], package: str) -> Path:
    """Return the first of the folders `within` that has modules of a package; the root if none has."""
    for folder in within:
        home = root / folder
        if (home / f"{package}.py").is_file() or next((home / package).rglob("*.py"), None):
            return home
    return root


def folders(tool: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the folders in which packages are looked for, by the [tool] table of pyproject.toml.

    What a build backend names comes first, because the root may have a folder of the same name.
    """
    named = (folder for folder in _named(tool) if not PurePosixPath(folder).is_absolute() and ".." not in folder)
    plain = (PurePosixPath(folder).as_posix() for folder in named)
    return tuple(dict.fromkeys([*(folder for folder in plain if folder != "."), *USUAL]))


def _named(tool: Mapping[str, Any]) -> Iterator[str]:
    for keys in _FOLDERS:
        yield from _texts(_at(tool, keys))
    for keys in _PACKAGES:
        yield from (PurePosixPath(package).parent.as_posix() for package in _texts(_at(tool, keys)))
    packages = _at(tool, ("poetry", "packages"))  # https://python-poetry.org/docs/pyproject/#packages
    for package in packages if isinstance(packages, list) else []:
        yield from _texts(package.get("from") if isinstance(package, dict) else None)


def _at(table: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _texts(value: object) -> list[str]:
    """Return a text, or the texts of a list; of a table that renames folders, its keys."""
    each = value if isinstance(value, list) else list(value) if isinstance(value, dict) else [value]
    return [text for text in each if isinstance(text, str)]
