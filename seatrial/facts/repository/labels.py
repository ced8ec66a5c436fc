"""The names of the classes of a repository: lists in files and in code, in the order of the model's outputs."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.facts.repository.reading import LARGEST
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seatrial.facts.repository.scripts import Scripts

_NAMED = re.compile(r"label|class|categor|idx_to|index_to|synset", re.IGNORECASE)
_VARIABLE = re.compile(
    r"^(class(es)?_?(names?|labels?)?|label(s|_names|_list)?|categories|cat_names|target_names)$", re.IGNORECASE
)
_NUMBERED = re.compile(r"^(class|label|categor|idx|index|id|int)\w*_?(to|2|ind|idx|map|name|id)\w*$", re.IGNORECASE)
_FOLDERS = 3  # below the root, in which a file of names is looked for


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of classes, in the order of the outputs, and where they are written."""

    names: tuple[str, ...]
    location: Location


def labels(root: Path, scripts: Scripts) -> tuple[Labels, ...]:
    """Return the lists of names in a repository, those of files first."""
    first: dict[tuple[str, ...], Labels] = {}
    for found in (*_of_files(root), *_of_code(scripts)):
        first.setdefault(found.names, found)
    return tuple(first.values())


def _of_files(root: Path) -> Iterator[Labels]:
    patterns = ("*/" * depth + f"*.{end}" for depth in range(_FOLDERS) for end in ("json", "txt"))
    for file in sorted({file for pattern in patterns for file in root.glob(pattern)}):
        path = file.relative_to(root).as_posix()
        hidden = any(part.startswith(".") or part in ("build", "node_modules") for part in path.split("/"))
        if not _NAMED.search(file.name) or hidden or not file.is_file() or file.stat().st_size > LARGEST:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        names = _lines(text) if file.suffix == ".txt" else _of_json(text)
        if len(names) > 1:
            yield Labels(names, Location(path))


def _lines(text: str) -> tuple[str, ...]:
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    return names if len(set(names)) > len(names) / 2 and all(len(name) < 100 for name in names) else ()


def _of_json(text: str) -> tuple[str, ...]:
    """Read a list of names, `{"0": "cat"}`, `{"cat": 0}` or `{"0": ["n02121808", "cat"]}`."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if isinstance(data, list):
        return tuple(map(str, data)) if all(isinstance(item, str) for item in data) else ()
    if not isinstance(data, dict) or not data:
        return ()
    if all(isinstance(value, int) and not isinstance(value, bool) for value in data.values()):
        data = {str(number): name for name, number in data.items()}
    if set(data) != {str(number) for number in range(len(data))}:
        return ()
    values = [data[str(number)] for number in range(len(data))]
    last = [value[-1] if isinstance(value, list) and value else value for value in values]
    return tuple(last) if all(isinstance(value, str) for value in last) else ()


def _of_code(scripts: Scripts) -> Iterator[Labels]:
    for script in scripts.all:
        for node in script.nodes:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List | ast.Tuple | ast.Dict):
                continue
            name = ast.unparse(node.targets[0]).rpartition(".")[2]
            is_numbered = isinstance(node.value, ast.Dict) and _NUMBERED.match(name) is not None
            if not _VARIABLE.match(name) and not is_numbered:
                continue
            names = _of_json(_as_json(node.value))
            alike = len(names) - len(set(names))  # ImageNet's have two cranes
            if len(names) > 1 and (not alike or (is_numbered and alike < len(names) / 2)):
                yield Labels(names, script.location(node))


def _as_json(node: ast.expr) -> str:
    """Return a literal of names as JSON; "" if it is none."""
    try:
        value = ast.literal_eval(node)
        return json.dumps(list(value) if isinstance(value, tuple) else value)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return ""
