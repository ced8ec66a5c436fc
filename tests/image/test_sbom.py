"""The bill of materials: what the lock pins for the image's Python, with the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.facts.packages import requirements
from seatrial.facts.packages.requirements import Entry, marker_environment
from seatrial.image import sbom

BASE = f"registry.example/python@sha256:{'ab' * 32}"
VERSION = hashlib.sha256(b"a version").hexdigest()
LOCK = f"""\
torch==2.15.0+cpu --hash=sha256:{"11" * 32} --hash=sha256:{"00" * 32}
pillow==13.0.0 --hash=sha512:{"33" * 64}
colorama==0.4.6 ; sys_platform == "win32" --hash=sha256:{"22" * 32}
"""


@pytest.fixture
def pins(tmp_path: Path) -> dict[str, Entry]:
    (tmp_path / "requirements.txt").write_text(LOCK)
    return requirements.read(tmp_path / "requirements.txt", tmp_path).pins(marker_environment("3.11"))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    wheels = [tmp_path / f"{name}-py3-none-any.whl" for name in ("digits_predictor-0+d1", "seatrial_serving-0+r1")]
    for wheel in wheels:
        wheel.write_text(wheel.name)
    return Bundle(tmp_path, "d" * 64, "cpu", *wheels)


def test_it_names_what_is_installed_and_nothing_else(pins: dict[str, Entry], bundle: Bundle) -> None:
    bill = sbom.document("digits", VERSION, BASE, pins, bundle)
    names = [component["name"] for component in bill["components"]]
    assert names == ["registry.example/python", "pillow", "torch", "digits-predictor", "seatrial-serving"]
    torch = bill["components"][2]
    assert torch["version"] == "2.15.0+cpu"
    assert torch["purl"] == "pkg:pypi/torch@2.15.0%2Bcpu"
    assert [value["content"][:2] for value in torch["hashes"]] == ["00", "11"]
    assert bill["components"][1]["hashes"] == [{"alg": "SHA-512", "content": "33" * 64}]
    wheel = bill["components"][3]
    assert wheel["hashes"][0]["content"] == hashlib.sha256(bundle.predictor_wheel.read_bytes()).hexdigest()


def test_it_follows_the_schema_of_cyclonedx(pins: dict[str, Entry], bundle: Bundle) -> None:
    bill = sbom.document("digits", VERSION, BASE, pins, bundle)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert uuid.UUID(bill["serialNumber"].removeprefix("urn:uuid:")).variant == uuid.RFC_4122
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(set(references)) == len(references)
    assert bill["dependencies"] == [{"ref": "image", "dependsOn": references}]


def test_the_same_lock_gives_the_same_bytes(pins: dict[str, Entry], bundle: Bundle) -> None:
    first, second = (
        json.dumps(sbom.document("digits", VERSION, BASE, dict(order), bundle))
        for order in (pins.items(), reversed(pins.items()))
    )
    assert first == second
    assert json.dumps(sbom.document("digits", "f" * 64, BASE, pins, bundle)) != first
