"""Family 2, configuration: a repository that says nothing of what it serves."""

from __future__ import annotations

from tests.projects.base import Files, Twin

SPELLINGS: dict[str, Files] = {
    "no pyproject.toml": {"pyproject.toml": None},
    "a pyproject.toml of the package alone": {"pyproject.toml": '[project]\nname = "twin"\nversion = "0.1.0"\n'},
    "tables of other tools": {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
    "no table in [tool.seatrial]'s place": {"pyproject.toml": "[tool]\nseatrial = 1\n"},
}
TWINS = tuple(Twin("ST208", name, files, warns=True) for name, files in SPELLINGS.items())
