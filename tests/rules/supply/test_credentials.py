"""Credentials in addresses: no finding shows one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.report.console import Console
from seatrial.rules.supply import credentials
from tests.projects.base import Files, Twin, made
from tests.projects.locks import ASKED, LOCK
from tests.rules.judging import Judge, seen_by_running, twins_of
from tests.small_project import findings

SECRET = "hunter2"


LOGIN = f"https://build:{SECRET}@packages.example/simple"


@pytest.mark.parametrize("twin", twins_of(credentials), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST810", "ST811"} == seen_by_running(credentials)


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
