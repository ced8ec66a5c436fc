"""The page that leads here from AI Platform: no field of the old request is left without an answer."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from seatrial import project
from tests.small_project import small_project

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
DOCUMENT = resources.files("googleapiclient").joinpath("discovery_cache", "documents", "ml.v1.json")
ROW = re.compile(r"^\| `(?P<field>[\w.]+)` \| (?P<answer>.+) \|$", re.MULTILINE)


def schemas() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))["schemas"]
    return loaded


def fields() -> list[str]:
    """Return every field of a version, and those of the objects in it by one level."""
    every, found = schemas(), []
    for name, field in every["GoogleCloudMlV1__Version"]["properties"].items():
        found.append(name)
        inner = every.get(field.get("$ref", ""), {}).get("properties", {})
        found.extend(f"{name}.{each}" for each in inner)
    return sorted(found, key=str.lower)


def rows() -> dict[str, str]:
    return {row["field"]: row["answer"] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_every_field_of_a_version_has_a_row_in_the_order_of_the_alphabet() -> None:
    assert list(rows()) == fields()


@pytest.mark.parametrize("field", fields())
def test_a_row_says_what_to_write_or_why_there_is_nothing(field: str) -> None:
    assert re.match(r"`|nothing|gone|only given by the server|the same, |that value", rows()[field])


def test_the_keys_that_the_page_names_are_read(tmp_path: Path) -> None:
    known = project._known_keys
    text = PAGE.read_text(encoding="utf-8")
    for table, key in re.findall(r"`(vertex|image)\.([a-z-]+)`", text):
        assert key in known([table])
    for keys, table in re.findall(r"((?:`[a-z-]+`(?:,| and)? ?)+) in `\[tool\.seatrial\.(\w+)\]`", text):
        assert set(re.findall(r"`([a-z-]+)`", keys)) <= set(known([table]))
    written = small_project(tmp_path, {}, interface="ai-platform")
    assert {"artifacts", "packages", "predictor", "python"} <= written.model_fields_set | set(known([]))
