"""What a failed or withdrawn deploy must never touch, and what the ways back go by: the server, not the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from seatrial.deploy.platform import Endpoint
from seatrial.deploy.progress import Progress
from seatrial.deploy.record import Record, with_record
from seatrial.deploy.resources import Resources
from seatrial.deploy.undeploy import undeploy
from seatrial.deploy.vertex import deployments, endpoints, messages, versions
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.platform import VertexPlatform
from seatrial.emulator.api import refusals
from seatrial.emulator.api.faults import Fault
from seatrial.emulator.api.hosting import Placement, Reply
from seatrial.facts import gather as facts
from seatrial.facts.gather import Gathered
from seatrial.project import Project
from tests.deploy.faulted import SMALL, shorten
from tests.deploy.golden_project import golden_project
from tests.deploy.in_process import NAME, World, candidate, world
from tests.stages import ended

QUICK = {"rollout": {"steps": [50, 100]}}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, answer=20.0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "world") as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return configured(golden_project(tmp_path / NAME, name=NAME), **QUICK)


def configured(project: Project, **vertex: Any) -> Project:
    """Return the project with other keys of [tool.seatrial.vertex]."""
    settings = project.vertex.model_validate({**project.vertex.model_dump(exclude_unset=True), **vertex})
    return project.model_copy(update={"vertex": settings})


def failing(world: World, deployed: str) -> None:
    """Let a deployed model fail on every prediction from now on."""
    sound = world.hosting.ask

    def ask(placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:
        if placement.deployed_model_id == deployed:
            return Reply(503, "application/json", json.dumps({"error": "gone"}).encode())
        return sound(placement, body, content_type, timeout)

    world.hosting.ask = ask  # type: ignore[method-assign]


def test_a_failed_rerun_keeps_the_version_that_serves(here: World, project: Project) -> None:
    assert here.deploy(project, 1, SMALL).status == "deployed"
    assert here.deploy(project, 2, SMALL).status == "deployed"
    with Vertex(here.target) as vertex:
        one, _ = versions.listing(vertex, NAME)
        versions.give(vertex, one, "default")  # by hand, so that a re-run has something to do
    before = here.state()
    [serving] = before.split
    failing(here, serving)
    again = here.deploy(project, 2, SMALL)
    assert again.code != 0, again
    after = here.state()
    assert (after.split, after.running, after.versions) == (before.split, before.running, before.versions)


def test_a_rollback_with_other_settings_gives_default_back(here: World, project: Project) -> None:
    assert here.deploy(project, 1, SMALL).status == "deployed"
    before = here.state()
    larger = configured(project, machine_type="n1-standard-8")
    with Vertex(here.target) as vertex:
        assert here.deploy(larger, 2, SMALL).status == "deployed"
        [new] = here.state().split
        # As a kill in the bake leaves it: all traffic and the default on the new one, the former still there.
        old_id = messages.deployed_id(versions.listing(vertex, NAME)[0].digest, project)
        name = f"{here.target.parent}/endpoints/{NAME}"
        ended(deployments.find_or_deploy(vertex, name, versions.listing(vertex, NAME)[0], project, 20))
        record = Record(new, {old_id: 100}, "1")
        ended(endpoints.change(vertex, name, lambda found: with_record(found, record)))
    back = here.roll_back(project, SMALL)
    assert (back.code, back.status) == (0, "rolled-back"), back
    after = here.state()
    assert after.split == before.split
    assert "default" in after.versions["1"]


def test_an_endpoint_that_only_has_the_name_of_the_staging_one_is_left_alone(here: World, project: Project) -> None:
    other = configured(project, endpoint=f"{NAME}-staging")
    assert here.deploy(other, 1, SMALL).status == "deployed"
    assert here.deploy(project, 2, SMALL).status == "deployed"
    with Vertex(here.target) as vertex:
        ended(undeploy(Resources(Gathered(project), VertexPlatform(vertex), Progress())))
        staging = endpoints.find(vertex, f"{NAME}-staging")
    assert staging is not None
    assert sum(dict(staging.traffic_split).values()) == 100


def test_a_version_that_failed_in_its_bake_is_no_way_back(here: World, project: Project) -> None:
    assert here.deploy(project, 1, SMALL).status == "deployed"
    [first] = here.state().split
    baking = configured(project, rollout={"steps": [50, 100], "bake": 0.2})

    def fail_when_all_is_moved(method: str) -> None:
        if method == "MergeVersionAliases":
            failing(here, messages.deployed_id(candidate(2).version_digest, baking))

    here.plane.before = fail_when_all_is_moved
    baked = here.deploy(baking, 2, SMALL)
    here.plane.before = lambda _: None
    assert (baked.code, baked.status) == (1, "refused"), baked
    assert not any(alias.startswith("p-") for alias in here.state().versions["2"])
    assert here.state().split == {first: 100}
    assert "default" in here.state().versions["1"]


def test_steps_that_cannot_be_are_refused_before_anything_is_deployed(here: World, project: Project) -> None:
    assert here.deploy(project, 1, SMALL).status == "deployed"
    with Vertex(here.target) as vertex:
        name = f"{here.target.parent}/endpoints/{NAME}"
        one = versions.listing(vertex, NAME)[0]
        larger = configured(project, machine_type="n1-standard-8")
        second = ended(deployments.find_or_deploy(vertex, name, one, larger, 20)).value
        [first] = here.state().split

        def halved(found: Endpoint) -> Endpoint:
            return replace(found, traffic_split={first: 50, str(second): 50})

        ended(endpoints.change(vertex, name, halved))
    before = here.state()
    refused = here.deploy(configured(project, rollout={"steps": [99, 100]}), 2, SMALL)
    assert refused.code == 2, refused
    after = here.state()
    assert (after.split, after.running, after.record) == (before.split, before.running, None)


CRASH = """Traceback (most recent call last):
  File "/env/lib/python3.11/site-packages/predictor.py", line 1, in load
KeyError: 'classes'"""


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("fails", ["container", "predictions", "nothing"])
def test_a_deploy_reads_the_project_once_at_most_and_not_again_after_a_trial(
    here: World, project: Project, monkeypatch: pytest.MonkeyPatch, fails: str, tried: bool
) -> None:
    assert here.deploy(project, 1, SMALL).status == "deployed"
    gathered = Gathered(project)
    if tried:
        assert gathered.facts.project is project
    gather = Mock(wraps=facts.gather)
    monkeypatch.setattr(facts, "gather", gather)
    if fails == "container":
        here.hosting.logged = tuple(CRASH.splitlines())
        here.faults.add(Fault(stage="STARTING_MODEL_SERVER", error=(9, refusals.server_exited("the log"))))
    elif fails == "predictions":
        failing(here, messages.deployed_id(candidate(2).version_digest, project))
    ended = here.deploy(gathered, 2, SMALL)
    assert ended.codes == {"container": {"ST701"}, "predictions": {"ST711"}, "nothing": set()}[fails], ended
    assert gather.call_count == (0 if tried or fails == "nothing" else 1)
