"""Deploys that race: of one digest, of two on one endpoint, and of many models at once on one control plane.

Whoever wins, one version of a digest is left, one deployed model with all traffic, and nothing that nobody awaits.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.crashing import MUTATING, At, Command, Lab, laboratory
from tests.deploy.forks import Forked
from tests.deploy.rehearsal import Ended

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]  # on a busy machine

# What is slow on a busy machine is no matter here.
STEPS = ("--set", "rollout.steps=[50, 100]", "--set", "rollout.max-latency-ratio=1000")
FIRST, SECOND, THIRD = (Command(number, STEPS) for number in (1, 2, 3))
PATIENCE = 600.0  # seconds for all of a crowd


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("races")) as lab:
        yield lab


@pytest.fixture
def lab(opened: Lab) -> Lab:
    opened.begin()
    return opened


def test_of_ten_racing_deploys_of_one_digest_all_end_well_with_one_version(lab: Lab, tmp_path: Path) -> None:
    place = lab.place()
    folders = [shutil.copytree(lab.version(1), tmp_path / f"copy-{number}") for number in range(10)]
    ends = _all([lab.start(place, FIRST, folder) for folder in folders])
    assert {end.code for end in ends} == {0}, _told(ends)
    assert {end.status for end in ends} <= {"deployed", "unchanged"}
    _one_serves(lab, place, 1)


def test_of_ten_racing_deploys_of_a_second_version_all_end_well(lab: Lab, tmp_path: Path) -> None:
    place = lab.place()
    assert lab.run(place, FIRST).code == 0
    folders = [shutil.copytree(lab.version(2), tmp_path / f"copy-{number}") for number in range(10)]
    ends = _all([lab.start(place, SECOND, folder) for folder in folders])
    assert {end.code for end in ends} == {0}, _told(ends)
    _one_serves(lab, place, 2)


@pytest.mark.parametrize("before", [(), (FIRST,)], ids=["at first", "after another"])
def test_of_two_digests_that_race_on_one_endpoint_exactly_one_serves(lab: Lab, before: tuple[Command, ...]) -> None:
    for _ in range(4):
        place = lab.place()
        lab.prepare(place, before)
        ends = _all([lab.start(place, SECOND), lab.start(place, THIRD)])
        assert all(end.code == 0 or (end.code, end.codes) == (1, ["ST714"]) for end in ends), _told(ends)
        assert any(end.code == 0 for end in ends), _told(ends)
        _one_serves(lab, place, len(before) + 2)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deploy_that_was_overtaken_by_another_digest_changes_nothing_more(lab: Lab, when: str) -> None:
    for at in _calls(lab, when):
        place, slow, fast = _overtaken(lab, at, THIRD)
        assert fast.code == 0, f"{at}: {fast.shown}"
        assert slow.code == 0 or (slow.code, slow.codes) == (1, ["ST714"]), f"{at}: {slow.shown}"
        serving = _one_serves(lab, place, 3)
        assert slow.code == 0 or serving == fast.report["version"].rpartition("@")[2], at


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deploy_that_was_overtaken_by_another_of_its_digest_ends_well(lab: Lab, when: str) -> None:
    for at in _calls(lab, when):
        place, slow, fast = _overtaken(lab, at, SECOND)
        assert (fast.code, slow.code) == (0, 0), f"{at}: {_told([fast, slow])}"
        assert _one_serves(lab, place, 2) == "2"


def test_fifty_models_are_deployed_at_once_each_with_one_version(lab: Lab) -> None:
    places = [lab.place() for _ in range(50)]
    lab.version(1)
    ends = _all([lab.start(place, FIRST) for place in places])
    assert {end.code for end in ends} == {0}, _told(ends)
    for place in places:
        left = lab.left(place).state
        assert len(left.versions) == len(left.deployed) == 1
        assert (left.split, left.record, left.running) == ({left.deployed[0]: 100}, None, 0)
    assert lab.servers == len(places)
    _all([lab.start(place, Command(1, ("--undeploy",))) for place in places])
    assert lab.servers == 0


def test_three_deploys_of_the_demo_at_once_end_well(lab: Lab, demo: Path) -> None:
    tried = lab.start(lab.place(), Command(1, ("--dry-run",)), demo).ended(PATIENCE)
    assert tried.code == 0, tried.shown
    places = [lab.place() for _ in range(3)]
    ends = _all([lab.start(place, FIRST, demo) for place in places])
    assert {end.code for end in ends} == {0}, _told(ends)
    assert lab.servers == len(places)
    for place in places:
        left = lab.left(place).state
        assert len(left.versions) == len(left.deployed) == 1
        assert (left.split, left.record, left.running) == ({left.deployed[0]: 100}, None, 0)
    _all([lab.start(place, Command(1, ("--undeploy",)), demo) for place in places])
    assert lab.servers == 0


def _calls(lab: Lab, when: str) -> list[At]:
    """Return the calls by which a second version changes something."""
    place = lab.place()
    lab.prepare(place, (FIRST,))
    _, counts = lab.counted(place, SECOND)
    lab.clear(place)
    return [
        At(method, nth, "before" if when == "before" else "after")
        for method in MUTATING
        for nth in range(counts[method])
    ]


def _overtaken(lab: Lab, at: At, by: Command) -> tuple[str, Ended, Ended]:
    """Hold a second version's deploy up at a call, until another deploy has ended; return the place and both ends."""
    place = lab.place()
    lab.prepare(place, (FIRST,))
    with lab.held_up(place, SECOND, at) as child:
        fast = lab.run(place, by)
    return place, child.ended(PATIENCE), fast


def _one_serves(lab: Lab, place: str, versions: int) -> str:
    """Hold what is left against what a single deploy leaves, and undeploy it; return the version that served."""
    left, serving = lab.left(place), lab.serving(place)
    lab.clear(place)
    assert len(left.state.versions) == versions
    assert (left.state.split, left.state.record, left.state.running) == ({left.state.deployed[0]: 100}, None, 0)
    assert (len(left.state.deployed), left.staging, left.servers) == (1, None, 1), left
    assert [each for each, aliases in left.state.versions.items() if "default" in aliases] == serving
    return serving[0]


def _all(children: list[Forked]) -> list[Ended]:
    return [child.ended(PATIENCE) for child in children]


def _told(ends: list[Ended]) -> str:
    return "\n".join(f"{end.code} {end.status} {end.codes}\n{end.shown if end.code else ''}" for end in ends)
