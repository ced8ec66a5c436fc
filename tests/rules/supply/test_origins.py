"""Where installs come from: what is usual and right."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.supply import origins
from tests.projects.base import Files, Twin, made
from tests.projects.locks import ASKED
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(origins), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


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
