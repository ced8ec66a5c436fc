"""Endpoints, versions and splits at an emulated control plane, for the tests of the modules that speak to it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.deploy.platform import Upload, Version
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.endpoints import change, find_or_create, get
from seatrial.deploy.vertex.versions import find_or_upload
from seatrial.project import Project
from seatrial.project.vertex import VertexSettings
from tests.stages import ended

UNAVAILABLE = 14
LOST: list[dict[str, Any]] = [{"code": UNAVAILABLE}, {"reset": True}, {"silence": True}]


def project(**settings: Any) -> Project:
    return Project(root=Path(), name="digits", predictor="predictor:P", vertex=VertexSettings(**settings))


def version(vertex: Vertex, text: str = "one") -> Version:
    upload = Upload(
        "digits", hashlib.sha256(text.encode()).hexdigest(), "Digits", "us-central1-docker.pkg.dev/demo/r/i:1"
    )
    return ended(find_or_upload(vertex, upload, 10)).value[0]


def created(vertex: Vertex) -> str:
    return str(ended(find_or_create(vertex, project(), "digits")).value[0].name)


def deployed(vertex: Vertex) -> list[str]:
    return [model.id for model in get(vertex, "digits").deployed_models]


def split(vertex: Vertex) -> dict[str, int]:
    return dict(get(vertex, "digits").traffic_split)


def set_split(vertex: Vertex, name: str, wanted: dict[str, int]) -> None:
    ended(change(vertex, name, lambda endpoint: replace(endpoint, traffic_split=wanted)))
