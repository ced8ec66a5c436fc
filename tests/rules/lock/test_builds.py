"""What a base image's name tells of its C library."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.lock import builds
from tests.projects.base import Twin, made
from tests.projects.locks import of
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(builds), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("base", "torch", "count"),
    [
        ("python:3.11-slim-buster", "2.8.0", 0),
        ("python:3.11-slim-bullseye", "2.8.0", 0),
        ("amazonlinux:2023", "2.8.0", 0),
        ("amazonlinux:2", "2.8.0", 1),
        ("almalinux:9", "2.8.0", 0),
        ("centos:7", "2.6.0", 0),
        ("centos:7", "2.7.0", 1),
        ("nvidia/cuda:11.8.0-runtime-ubuntu18.04", "2.8.0", 1),
        ("nvidia/cuda:12.8.0-runtime-ubuntu22.04", "2.8.0", 0),
        ("example.com/alpinist/base", "2.8.0", 0),
    ],
)
def test_a_base_is_judged_by_what_its_name_tells(tmp_path: Path, base: str, torch: str, count: int) -> None:
    files = {"Dockerfile": f"FROM {base}\n", **of(torch=torch, torchvision="9.9.9")}
    assert len(findings(made(tmp_path / "project", files), "ST115")) == count
