"""Values in the settings files of a repository, YAML, JSON and TOML, that its code loads and reads by literal keys."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES = (".yaml", ".yml", ".json", ".toml")
_LARGEST = 1_000_000  # bytes; settings are small
_LOADERS = {
    "yaml.safe_load", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "json.load", "json.loads", "toml.load",
    "tomllib.load", "tomllib.loads", "tomli.load", "omegaconf.OmegaConf.load",
}  # fmt: skip


def is_loader(name: str) -> bool:
    """Return whether a function, by its dotted name, turns a settings file into what it holds."""
    return name in _LOADERS


def find(root: Path, script: str, named: str) -> str:
    """Return the path of a settings file as a script names it, from its own folder upwards; "" if there is none."""
    for folder in Path(script).parents:
        path = folder / named
        if not path.is_absolute() and ".." not in path.parts and (root / path).is_file():
            return path.as_posix()
    return ""


def value_at(root: Path, path: str, keys: Sequence[str]) -> tuple[Any, Location] | None:
    """Return the text, number or list that a settings file has below keys, and where; None if it has none."""
    file = root / path
    try:
        if file.stat().st_size > _LARGEST:
            return None
        text = file.read_text(encoding="utf-8")
        return _of_toml(text, path, keys) if file.suffix == ".toml" else _of_yaml(text, path, keys)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _of_toml(text: str, path: str, keys: Sequence[str]) -> tuple[Any, Location] | None:
    value: Any = tomllib.loads(text)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None or isinstance(value, dict) else (value, Location(path))


def _of_yaml(text: str, path: str, keys: Sequence[str]) -> tuple[Any, Location] | None:
    """Read YAML, and JSON, which is YAML, with the places of its values."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        for key in keys:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((value for name, value in pairs if name.value == key), None)
        if node is None or isinstance(node, yaml.MappingNode):
            return None
        value = loader.construct_object(node, deep=True)
        return value, Location(path, node.start_mark.line + 1)
    finally:
        loader.dispose()
