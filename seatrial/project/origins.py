"""Every setting of a project with its value, and where that comes from: the file, a variable, or the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from seatrial.project import Project, from_environment, variable_of, written
from seatrial.project.values import kebab

_DERIVED = {"name": "the folder's name", "packages": "the predictor's module"}  # defaults that others decide


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of [tool.seatrial], such as `vertex.machine-type`, its value, and where that comes from."""

    key: str
    value: Any
    origin: str


def settings(project: Project) -> Iterator[Setting]:
    """Yield every setting, in the order of the tables."""
    yield from _of_table(project, "", written(project.root), "pyproject.toml", from_environment())


def _of_table(
    table: BaseModel, before: str, given: Mapping[str, Any], source: str, variables: Mapping[str, str]
) -> Iterator[Setting]:
    """Yield the settings of a table; `given` is what `source` has of it."""
    for name, field in type(table).model_fields.items():
        if field.exclude:
            continue
        key, value = f"{before}{kebab(name)}", getattr(table, name)
        of_vertex = key.removeprefix("vertex.") if key.startswith("vertex.") else ""
        if isinstance(value, BaseModel):
            inner, whose = given.get(kebab(name)), source
            if of_vertex in variables:  # a whole table, which replaces that of the file
                inner, whose = dict.fromkeys(map(kebab, value.model_fields_set)), variable_of(of_vertex)
            yield from _of_table(value, f"{key}.", inner if isinstance(inner, Mapping) else {}, whose, variables)
            continue
        if of_vertex in variables:
            origin = variable_of(of_vertex)
        elif kebab(name) in given:
            origin = source
        else:
            origin = f"default: {_DERIVED[key]}" if key in _DERIVED else "default"
        yield Setting(key, value, origin)
