"""Family 8, variables: the pairs of projects."""

from __future__ import annotations

import json

from tests.projects.base import Files, Twin
from tests.projects.locks import SETTINGS


def with_env(name: str, value: str) -> Files:
    """Return the configuration of a container with one variable."""
    return {"pyproject.toml": f"{SETTINGS}[tool.seatrial.vertex.env]\n{name} = {json.dumps(value)}\n"}


TWINS = tuple(
    Twin("ST812", name, with_env(*broken), with_env(*mended))
    for name, (broken, mended) in {
        "by its name": (("LABELS_TOKEN", "abc123def"), ("LABELS_TOKEN_NAME", "projects/p/secrets/labels/versions/1")),
        "by its form": (("LABELS", "ghp_" + "k3Jd8Qz0" * 4 + "Zx9P"), ("LABELS", "german")),
        "a password": (("DB_PASSWORD", "hunter2hunter2"), ("DB_PASSWORD_FILE", "/secrets/db")),
    }.items()
)
