"""Locks, requirements and Dockerfiles, for the pairs."""

from __future__ import annotations

import hashlib
import json

from tests.projects.base import BASE, PINS, Files, lock

ASKED = str(BASE["requirements.in"])

LOCK = str(BASE["requirements.txt"])

NO_MANIFEST: Files = {"artifacts/manifest.json": None}

CPU = "--extra-index-url https://download.pytorch.org/whl/cpu\n"

CPU_PINS = {**PINS, "torch": "2.8.0+cpu", "torchvision": "0.23.0+cpu"}

SETTINGS = str(BASE["pyproject.toml"])


def without(name: str) -> dict[str, str]:
    return {pin: version for pin, version in PINS.items() if pin != name}


def of(**versions: str) -> Files:
    """Return the base with other pins, and without a manifest that knows of the base's."""
    return {"requirements.txt": lock({**PINS, **versions}), **NO_MANIFEST}


def manifest(versions: dict[str, str], **files: str) -> str:
    listed = {}
    for path, content in BASE.items():
        if path.startswith("artifacts/") and content is not None:
            raw = content.encode() if isinstance(content, str) else content
            listed[path.removeprefix("artifacts/")] = hashlib.sha256(raw).hexdigest()
    return json.dumps({"format": 1, "files": {**listed, **files}, "trained_with": versions})


NEWEST = of(torch="2.15.0", torchvision="0.29.2")


def dockerfile(*lines: str) -> Files:
    return {"Dockerfile": "\n".join(["FROM python:3.11-slim-bookworm", *lines]) + "\n"}


HASHED = "RUN pip install --require-hashes -r requirements.txt"

INDEX = "https://packages.example/simple"


def asked(*lines: str) -> Files:
    return {"requirements.in": "".join(f"{line}\n" for line in lines) + ASKED}
