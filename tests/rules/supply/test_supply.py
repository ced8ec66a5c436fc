"""Where installs come from: what depends on the day, what a finding must not show, and what is no fault."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.findings import Finding
from seatrial.report.console import Console
from seatrial.rules.lock import prebuilt_images
from tests.projects.base import Files, made
from tests.projects.twins.locks import ASKED, LOCK
from tests.small_project import findings

SECRET = "hunter2"
LOGIN = f"https://build:{SECRET}@packages.example/simple"


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


@pytest.mark.parametrize("image", ["pytorch-cpu.2-9", "pytorch-gpu.3-0", "tf2-cpu.2-15", "sklearn-cpu.1-3"])
def test_an_image_that_the_table_does_not_know_is_not_judged(tmp_path: Path, image: str) -> None:
    files = {"Dockerfile": f"FROM us-docker.pkg.dev/vertex-ai/prediction/{image}:latest\n"}
    assert findings(made(tmp_path, files), "ST114") == []


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.in": f"-i {LOGIN}\n{ASKED}"},
        {"requirements.in": f"--extra-index-url {LOGIN.replace('https', 'http')}/nightly/\n{ASKED}"},
        {"requirements.in": f"{ASKED}layers @ {LOGIN}/layers-1.0.zip\n"},
        {"requirements.in": f"{ASKED}-e git+https://{SECRET}@github.com/example/layers#egg=layers\n"},
        {"requirements.txt": f"--find-links {LOGIN}\n{LOCK}layers @ {LOGIN}/layers-1.0.zip\n"},
        {"Dockerfile": f"FROM python:3.11-slim\nRUN pip install --extra-index-url {LOGIN} git+{LOGIN}/layers\n"},
        {"pip.conf": f"[global]\nextra-index-url = {LOGIN}\ntrusted-host = packages.example\n"},
        {".github/workflows/ci.yml": f"env:\n  PIP_EXTRA_INDEX_URL: {LOGIN}\n"},
    ],
    ids=range(8),
)
def test_no_finding_shows_a_password_in_any_form(tmp_path: Path, files: Files) -> None:
    project = made(tmp_path, files)
    found = findings(project)
    assert "ST805" in [finding.code for finding in found]
    assert SECRET not in json.dumps([finding.as_dict() for finding in found])
    console = Console(project.root)
    assert SECRET not in str([console.rendered(finding) for finding in found])


@pytest.mark.parametrize(
    "files",
    [
        {"Dockerfile": "FROM python:3.11-slim\nRUN pip install -U pip && pip install -r requirements.txt\n"},
        {"Dockerfile": "FROM python:3.11-slim\nRUN pip install -r requirements.txt\nRUN pip install --no-deps .\n"},
        {
            "Dockerfile": "FROM python:3.11 AS build\nRUN pip install build timm\n"
            "FROM python:3.11-slim\nCOPY predictor predictor\nRUN pip install -r requirements.txt\n"
        },
        {"Dockerfile": "FROM python:3.11-slim\nCOPY --from=build . .\nCOPY predictor/ .\n", ".env": "A=1\n"},
        {"Dockerfile": "FROM python:3.11-slim\nRUN echo 'pip install\n# COPY . .\n"},
        {"Dockerfile": "FROM python:3.11-slim\nRUN [pip install\nCOPY [\".\nARG X=${X}\n"},
        {".github/workflows/ci.yml": "run: pip install --pre --extra-index-url https://a.example tox\n"},
        {"pyproject.toml": "[tool.seatrial]\npredictor = 'predictor:Predictor'\n[[tool.uv.index]]\n"
         "name = 'torch'\nurl = 'https://download.pytorch.org/whl/cpu'\nexplicit = true\n"},
        {"requirements-cpu.txt": None},
        {"requirements.in": f"--index-url https://${{USER}}:${{TOKEN}}@packages.example/simple\n{ASKED}"},
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_usual_and_right_gets_no_finding(tmp_path: Path, files: Files) -> None:
    assert findings(made(tmp_path, files)) == []


def test_a_credential_that_would_ship_is_found_before_anything_is_built(tmp_path: Path) -> None:
    (found,) = findings(made(tmp_path, {"predictor/keys/id_rsa": "x"}))
    assert isinstance(found, Finding)
    assert (found.code, str(found.location)) == ("ST801", "predictor/keys/id_rsa")
