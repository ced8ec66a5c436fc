"""`seatrial build` names the bundle it made, or why it could not."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.process import seatrial


def test_the_report_names_the_digest_of_the_bundle(healthy: Path) -> None:
    ran = seatrial("build", "--format", "json", "--project", healthy)
    report = json.loads(ran.stdout)
    settings = json.loads((healthy / "build/bundle/bundle.json").read_text())
    assert report["bundle_digest"] == settings["digest"]
    assert report["seconds"].keys() == {"build"}


def test_a_disk_that_does_not_take_the_bundle_ends_with_3(healthy: Path) -> None:
    (healthy / "build").write_text("a file where the folder should be")
    ran = seatrial("build", "--project", healthy)
    assert ran.returncode == 3
    assert "build: " in ran.stderr
    assert "Traceback" not in ran.stderr
