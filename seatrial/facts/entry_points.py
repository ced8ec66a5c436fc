"""The entry points in a project's pyproject.toml: its scripts, and the plug-ins that it offers by groups.

https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE = "pyproject.toml"
# Tables of scripts, and tables of groups of plug-ins.
_SCRIPTS = ("project.scripts", "project.gui-scripts", "tool.poetry.scripts")
_GROUPS = ("project.entry-points", "tool.poetry.plugins")
_OBJECT = re.compile(
    r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*(?::\s*(?P<name>[A-Za-z_]\w*(?:\.\w+)*))?\s*(?:\[.*\])?"
)


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """An entry point.

    Attributes:
        name: what it is called.
        table: the table that it is in, such as `project.scripts`.
        group: the group of plug-ins; "" for a script.
        object: dotted, as Python would import it.
        location: the line.
    """

    name: str
    table: str
    group: str
    object: str
    location: Location


def read(root: Path) -> tuple[EntryPoint, ...]:
    """Return the entry points of a project; none if its pyproject.toml cannot be read."""
    try:
        content = (root / _FILE).read_bytes() if (root / _FILE).is_file() else b""
        if b"scripts" not in content and b"entry-points" not in content and b"plugins" not in content:
            return ()
        text = content.decode()
        whole = tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        return ()
    return tuple(_read(whole, text))


def _read(whole: dict[str, Any], text: str) -> Iterator[EntryPoint]:
    for table in _SCRIPTS:
        yield from _of_table(_at(whole, table), table, "", text)
    for table in _GROUPS:
        for group, rows in _at(whole, table).items():
            yield from _of_table(rows if isinstance(rows, dict) else {}, f"{table}.{group}", group, text)


def _of_table(rows: dict[str, Any], table: str, group: str, text: str) -> Iterator[EntryPoint]:
    for name, value in rows.items():
        written = _OBJECT.fullmatch(value.strip()) if isinstance(value, str) else None
        if written:
            dotted = ".".join(filter(None, written.group("module", "name")))
            yield EntryPoint(name, table, group, dotted, _place(text, name, value))


def _at(whole: dict[str, Any], table: str) -> dict[str, Any]:
    found: Any = whole
    for key in table.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _place(text: str, name: str, value: str) -> Location:
    """Return the line that has the name and the value."""
    found = re.search(rf"^.*{re.escape(name)}[\"']?\s*=\s*[\"']{re.escape(value)}", text, re.MULTILINE)
    return Location(_FILE, text.count("\n", 0, found.start()) + 1) if found else Location(_FILE)
