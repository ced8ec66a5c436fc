"""Prebuilt images, by the day."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.rules.lock import prebuilt_images
from tests.projects.base import Twin, made
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(prebuilt_images), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("day", "severity"), [("2026-11-22", "warning"), ("2027-01-13", "warning"), ("2027-01-14", "error")]
)
def test_a_prebuilt_image_is_an_error_from_its_last_day_on(tmp_path: Path, day: str, severity: str) -> None:
    files = {"Dockerfile": "FROM europe-docker.pkg.dev/vertex-ai/prediction/pytorch-gpu.2-4:latest\n"}
    facts = replace(gather(made(tmp_path, files)), today=datetime.date.fromisoformat(day))
    check = prebuilt_images.PREBUILT_GONE.check
    assert check
    (found,) = check(facts)
    assert found.severity == severity
    assert "2027-01-14" in found.message


@pytest.mark.parametrize("image", ["pytorch-cpu.2-9", "pytorch-gpu.3-0"])
def test_an_image_that_the_table_does_not_have_is_a_warning(tmp_path: Path, image: str) -> None:
    files = {"Dockerfile": f"FROM us-docker.pkg.dev/vertex-ai/prediction/{image}:latest\n"}
    (found,) = findings(made(tmp_path, files), "ST114")
    assert (found.severity, "is not in Google's list" in found.message) == ("warning", True)


@pytest.mark.parametrize("image", ["tf2-cpu.2-15", "sklearn-cpu.1-3"])
def test_an_image_without_torch_is_not_judged(tmp_path: Path, image: str) -> None:
    files = {"Dockerfile": f"FROM us-docker.pkg.dev/vertex-ai/prediction/{image}:latest\n"}
    assert findings(made(tmp_path, files), "ST114") == []
