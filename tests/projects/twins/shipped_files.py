"""Family 8, shipped files: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.locks import SETTINGS

KEY = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n"

TWINS = (
    Twin("ST801", "by its name", {"predictor/.env": "TOKEN=1\n"}, {"predictor/env.txt": "TOKEN=1\n"}),
    Twin("ST801", "by its content", {"predictor/words.txt": KEY}, {"predictor/words.txt": "a public key\n"}),
    Twin("ST801", "in the artifacts", {"artifacts/service-account-key.json": "{}"}, {"artifacts/labels.json": "{}"}),
    Twin(
        "ST801",
        "as package data",
        {"pyproject.toml": f'{SETTINGS}package-data = ["data/*"]\n', "data/server.key": "x"},
        {"pyproject.toml": f'{SETTINGS}package-data = ["data/*"]\n', "data/keys.csv": "x"},
    ),
)
