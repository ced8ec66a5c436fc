"""Google's published description of the REST API: the method of a request, and whether an answer fits its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

Problems = list[str]
_VARIABLE = re.compile(r"\{[^}]+\}")


@cache
def document() -> dict[str, Any]:
    """Read the discovery document of aiplatform.v1 that google-api-python-client ships."""
    text = (files("googleapiclient") / "discovery_cache/documents/aiplatform.v1.json").read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def method(http: str, path: str) -> dict[str, Any]:
    """Find the published method of a request.

    Raises:
        LookupError: the API has no such method.
    """
    for pattern, found in _methods():
        if found["httpMethod"] == http and pattern.fullmatch(path):
            return found
    raise LookupError(f"{http} {path}")


def problems(answer: Any, schema: str) -> Problems:
    """Return what in an answer does not fit the schema of that name."""
    return list(_object(answer, document()["schemas"][schema], schema))


@cache
def _methods() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [(_pattern(found["flatPath"]), found) for found in _all(document())]


def _all(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for child in resource.get("resources", {}).values():
        yield from _all(child)


def _pattern(flat: str) -> re.Pattern[str]:
    parts = _VARIABLE.split(flat)
    return re.compile("/" + "[^/:]+".join(map(re.escape, parts)))


def _value(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _object(value, document()["schemas"][schema["$ref"]], where)
        return
    kind = schema["type"]
    if kind == "any":
        return
    if kind == "array":
        if not isinstance(value, list):
            yield f"{where}: {value!r} is not a list"
            return
        for n, item in enumerate(value):
            yield from _value(item, schema["items"], f"{where}[{n}]")
    elif kind == "object":
        yield from _object(value, schema, where)
    else:
        yield from _plain(value, schema, where)


def _object(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is not an object"
        return
    known = schema.get("properties", {})
    for name, item in value.items():
        if name in known:
            yield from _value(item, known[name], f"{where}.{name}")
        elif "additionalProperties" in schema:
            yield from _value(item, schema["additionalProperties"], f"{where}.{name}")
        else:
            yield f"{where}: has no {name}"
    if "@type" in value:  # the content of an Any has a published type too
        package, _, name = value["@type"].rpartition(".")
        carried = document()["schemas"].get(f"GoogleCloudAiplatformV1{name}")
        if package != "type.googleapis.com/google.protobuf" and carried is not None:
            yield from _object({k: v for k, v in value.items() if k != "@type"}, carried, f"{where}({name})")


def _plain(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    kind, form = schema["type"], schema.get("format", "")
    right = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
    }[kind]
    if not right:
        yield f"{where}: {value!r} is not a {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    elif form == "google-datetime" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
        yield f"{where}: {value!r} is not a time"
    elif form == "int64" and not re.fullmatch(r"-?\d+", value):
        yield f"{where}: {value!r} is not an int64"
