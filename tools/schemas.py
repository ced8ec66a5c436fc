"""docs/schemas: JSON Schemas of what the tool reads and writes: `python -m tools.schemas docs/schemas`.

They are made from the classes that read and write it, so they cannot differ from them. `pyproject.json` is
[tool.seatrial], for editors; `report.json` is every report, of `--format json` and of build/*/report.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from seatrial.findings import Finding
from seatrial.project import Project
from seatrial.report.json import FORMAT
from seatrial.report.renderer import Verdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLACE = "#/$defs/{model}"


def of_project() -> dict[str, Any]:
    """Return the schema of [tool.seatrial]."""
    schema = Project.model_json_schema(by_alias=True)
    for name in [name for name in schema["properties"] if name in _not_keys()]:
        del schema["properties"][name]
    schema["required"] = ["predictor"]  # the name has a default, the folder's
    schema["description"] = "A predictor of PyTorch and torchvision, and where it is deployed."
    return _named("[tool.seatrial] of pyproject.toml", schema)


def _not_keys() -> set[str]:
    fields = Project.model_fields.items()
    return {field.alias or name for name, field in fields if field.exclude}


def of_reports() -> dict[str, Any]:
    """Return the schema of reports: what all of them have. Each command adds more."""
    finding = TypeAdapter(Finding).json_schema(ref_template=_PLACE, mode="serialization")
    shared = finding.pop("$defs")
    own = shared.setdefault("Finding", finding)
    own["properties"]["docs"] = {"type": "string"}
    seconds = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}
    schema = {
        "type": "object",
        "required": ["format", "command", "verdict", "findings"],
        "properties": {
            "format": {"const": FORMAT},
            "command": {"type": "string"},
            "verdict": {"enum": list(get_args(Verdict))},
            "findings": {"type": "array", "items": {"$ref": "#/$defs/Finding"}},
            "seconds": {**seconds, "description": "how long each stage took"},
            "message": {"type": "string", "description": "what ended the command early"},
            "fix": {"type": "string", "description": "what to do about it"},
        },
        "$defs": shared,
    }
    return _named("A report of Seatrial", schema)


def _named(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its title, and without those that pydantic makes of names, which say nothing more."""
    return {"$schema": _DIALECT, "title": title, **_without_titles(schema)}


def _without_titles(schema: Any, *, of_names: bool = False) -> Any:
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if of_names or key != "title"}
    return {key: _without_titles(value, of_names=key in ("properties", "$defs")) for key, value in kept.items()}


SCHEMAS = {"pyproject.json": of_project, "report.json": of_reports}


def main(folder: Path) -> None:
    """Write the schemas."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in SCHEMAS.items():
        (folder / name).write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
