"""What serves is asked again: it answers as proven, or what it answers instead is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.deploy.platform import Platform
from seatrial.deploy.progress import Progress
from seatrial.deploy.resources import Resources
from seatrial.deploy.watch import watch
from seatrial.emulator.api.control_plane import _PERMISSIONS
from seatrial.errors import UsageError
from seatrial.facts.gather import Gathered
from seatrial.project import Project
from tests.deploy.golden_project import golden_project, right, wrong
from tests.deploy.live_endpoint import FORMER, NEW, live
from tests.stages import ended


def resources(project: Project, platform: Platform, endpoint: str) -> Resources:
    settings = project.vertex.model_copy(update={"endpoint": endpoint})
    return Resources(Gathered(project.model_copy(update={"vertex": settings})), platform, Progress())


def test_every_version_with_traffic_is_asked_and_the_one_that_drifted_is_named(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 4)
    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: wrong, FORMER: right}) as (platform, endpoint):
        end = ended(watch(resources(project, platform, endpoint.name.rpartition("/")[2])))
    proven = {proof.deployed_model: proof.proven for proof in end.value}
    assert proven == {NEW: False, FORMER: True}
    assert end.codes == ["ST717"]
    assert "answers otherwise than it was proven" in end.errors[0].message
    assert end.errors[0].evidence[0] == f"answered by deployed model {NEW}"


def test_what_answers_as_proven_has_no_finding_and_asking_takes_two_permissions(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 4)
    others = set(_PERMISSIONS.values()) - {"aiplatform.endpoints.get", "aiplatform.endpoints.predict"}
    with live(tmp_path, {NEW: 100}, {NEW: right}, denied=others) as (platform, endpoint):
        end = ended(watch(resources(project, platform, endpoint.name.rpartition("/")[2])))
    assert end.findings == []
    assert [proof.answered for proof in end.value] == [4]


def test_an_endpoint_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with (
        live(tmp_path, {NEW: 100}, {NEW: right}) as (platform, _),
        pytest.raises(UsageError, match="there is no endpoint"),
    ):
        ended(watch(resources(golden_project(tmp_path, 1), platform, "another")))
