"""Targets: which one a deploy takes, and what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.cli.platforms import PLATFORMS, chosen
from seatrial.errors import UsageError
from seatrial.project import Project
from seatrial.project.vertex import VertexSettings


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def project(cloud_project: str = "") -> Project:
    return Project(root=Path(), name="digits", predictor="p:P", vertex=VertexSettings(project=cloud_project))


def test_every_row_is_found_by_the_name_of_its_traits() -> None:
    assert {name: row.traits.name for name, row in PLATFORMS.items()} == {"local": "local", "vertex": "vertex"}


@pytest.mark.parametrize(("cloud_project", "name"), [("", "local"), ("demo-project", "vertex")])
def test_without_a_target_the_configuration_decides(cloud_project: str, name: str) -> None:
    assert chosen(project(cloud_project), None) is PLATFORMS[name]


def test_a_written_target_is_taken() -> None:
    assert chosen(project("demo-project"), "local") is PLATFORMS["local"]


@pytest.mark.parametrize("ci", ["1", "true"])
def test_under_ci_no_target_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(UsageError, match="under CI the target must be given"):
        chosen(project(), None)
    assert chosen(project(), "local") is PLATFORMS["local"]


def test_a_target_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="SEATRIAL_TARGET is 'moon'") as unknown:
        chosen(project(), "moon")
    assert unknown.value.fix == "it can be local or vertex"


def test_vertex_without_a_cloud_project_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="needs the id of a cloud project"):
        chosen(project(), "vertex")
