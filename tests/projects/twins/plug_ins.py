"""Family 2, plug-ins: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import BASE, Files, Twin
from tests.projects.code import predictor

TABLE = str(BASE["pyproject.toml"])
POINTS = '[project]\nname = "twin"\n\n[project.entry-points."twin.networks"]\nlinear = "predictor.network:build"\n\n'
POETRY = '[tool.poetry.plugins."twin.networks"]\nlinear = "predictor.network:build"\n\n'


def looking(head: str, line: str, points: str = POINTS) -> tuple[Files, Files]:
    """The base with a predictor that looks up plug-ins: those of the project itself, and those of another group."""
    files = {
        "predictor/predictor.py": predictor(
            "import torch\n",
            f"{head}\nimport torch\n",
            ("        self._network.eval()\n", f"        {line}\n        self._network.eval()\n"),
        )
    }
    return {**files, "pyproject.toml": points + TABLE}, {
        **files, "pyproject.toml": points.replace("twin.networks", "twin.tools") + TABLE,
    }  # fmt: skip


METADATA = "from importlib.metadata import entry_points"
SPELLINGS = {
    "a group": looking(METADATA, 'found = entry_points(group="twin.networks")'),
    "select": looking(
        "from importlib import metadata", 'found = metadata.entry_points().select(group="twin.networks")'
    ),
    "get": looking(METADATA, 'found = entry_points().get("twin.networks", [])'),
    "poetry's plugins": looking(METADATA, 'found = entry_points(group="twin.networks")', POETRY),
}
TWINS = tuple(Twin("ST224", name, broken, mended, warns=True) for name, (broken, mended) in SPELLINGS.items())
