"""The software bill of materials of an image, as CycloneDX 1.6 JSON, made from the lock alone.

It names the pins of the image's Python and the two wheels that `build` made. The same lock gives the same bytes: there
is no time and no random serial number in it. No index is asked.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.bundle import Bundle
from seatrial.facts.packages.requirements import Entry

_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}  # pip's names of hashes → CycloneDX's


def document(name: str, version: str, base: str, pins: dict[str, Entry], bundle: Bundle) -> dict[str, Any]:
    """Return the bill of materials of an image with the version digest `version` on the `base` with its digest."""
    wheels = [_wheel(path) for path in (bundle.predictor_wheel, bundle.runtime_wheel)]
    components = [_base(base), *(_pinned(pins[pin]) for pin in sorted(pins)), *wheels]
    return {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.UUID(version[:32], version=4).urn,
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "seatrial", "version": __version__}]},
            "component": {"type": "container", "bom-ref": "image", "name": name, "version": version},
            "properties": [
                {"name": "seatrial:hashes", "value": "of a locked distribution: every file that the lock allows"}
            ],
        },
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _pinned(entry: Entry) -> dict[str, Any]:
    # The version keeps its local label, such as +cpu; a package URL writes the plus sign in percent encoding.
    purl = f"pkg:pypi/{entry.name}@{str(entry.version).replace('+', '%2B')}"
    hashes = [value.split(":", 1) for value in sorted(entry.hashes)]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": entry.name,
        "version": str(entry.version),
        "purl": purl,
        "hashes": [{"alg": _ALGORITHMS[kind], "content": value} for kind, value in hashes if kind in _ALGORITHMS],
    }


def _wheel(path: Path) -> dict[str, Any]:
    name, version = path.name.split("-")[:2]
    return {
        "type": "library",
        "bom-ref": path.name,
        "name": name.replace("_", "-"),
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
    }


def _base(reference: str) -> dict[str, Any]:
    name, _, digest = reference.rpartition("sha256:")
    return {
        "type": "container",
        "bom-ref": reference,
        "name": name.removesuffix("@") or digest[:12],  # one that was built here has only an id
        "version": f"sha256:{digest}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
