"""Small images for a project without golden answers: a colour JPEG, a grey PNG and a palette PNG.

They show that the predictor answers, not that its answers are right.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from importlib import resources


def instances() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each sample's name and its Vertex instance, `{"b64": …}`."""
    for entry in sorted(resources.files(__package__).iterdir(), key=lambda e: e.name):
        if entry.name.endswith((".jpg", ".png")):
            yield f"sample {entry.name}", {"b64": base64.b64encode(entry.read_bytes()).decode("ascii")}
