"""What else of a project says which files ship beside its modules: tables of build backends, MANIFEST.in, setup.py.

None of it decides what ships: a bundle is built from [tool.seatrial] alone, so that its digest does not depend on how a
backend of some version reads its table. Whoever wrote it there has to be told.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Keys of build backends, below [tool], that name files beside the modules.
_KEYS = (
    "setuptools.package-data",  # https://setuptools.pypa.io/en/latest/userguide/datafiles.html
    "setuptools.include-package-data",
    "setuptools.data-files",
    "hatch.build.include",  # https://hatch.pypa.io/latest/config/build/#file-selection
    "hatch.build.artifacts",
    "hatch.build.force-include",
    "hatch.build.targets.wheel.include",
    "hatch.build.targets.wheel.artifacts",
    "hatch.build.targets.wheel.force-include",
    "poetry.include",  # https://python-poetry.org/docs/pyproject/#exclude-and-include
    "pdm.build.includes",  # https://backend.pdm-project.org/build_config/
    "flit.external-data",  # https://flit.pypa.io/en/stable/pyproject_toml.html
    "uv.build-backend.data",  # https://docs.astral.sh/uv/reference/settings/#build-backend
)
# Backends that take every file of a package unless they are told otherwise, as the pages above say.
_TAKE_ALL = {
    "hatchling.build": "hatchling",
    "poetry.core.masonry.api": "poetry-core",
    "flit_core.buildapi": "flit_core",
    "pdm.backend": "pdm-backend",
    "uv_build": "uv_build",
}
_BESIDE = {"setup.cfg": r"(?m)^\s*(?:include_)?package_data\b|\[options\.package_data\]", "setup.py": "package_data"}
_LARGEST = 1_048_576  # bytes of a file that somebody wrote


def named(root: Path) -> tuple[str, ...]:
    """Return where a project names files beside its modules that [tool.seatrial] does not know of."""
    return tuple(_named(root))


def _named(root: Path) -> Iterator[str]:
    try:
        whole = tomllib.loads(_text(root / "pyproject.toml"))
    except (tomllib.TOMLDecodeError, RecursionError):
        whole = {}
    for key in _KEYS:
        *tables, last = key.split(".")
        if _at(whole, "tool", *tables, last):
            yield f"`{last}` in [tool.{'.'.join(tables)}]"
    backend = _at(whole, "build-system", "build-backend")
    if isinstance(backend, str) and backend in _TAKE_ALL:
        yield f"{_TAKE_ALL[backend]}, which takes every file of a package"
    if _text(root / "MANIFEST.in").strip():
        yield "MANIFEST.in"
    for name, pattern in _BESIDE.items():
        if re.search(pattern, _text(root / name)):
            yield f"`package_data` in {name}"


def _at(table: object, *keys: str) -> object:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(_LARGEST).decode("utf-8", errors="replace")
    except OSError:
        return ""
