"""A deploy that is killed when a change was made and nobody knows it yet: the next one repeats nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.crashing import At, Command, Lab, laboratory


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("killed")) as lab:
        yield lab


@pytest.fixture
def lab(opened: Lab) -> Lab:
    opened.begin()
    return opened


@pytest.mark.parametrize(
    "at", [pytest.param(At("UploadModel", 0, "after"), marks=pytest.mark.proof), At("DeployModel", 0, "after")], ids=str
)
def test_a_killed_deploy_run_again_finds_what_it_had_begun(lab: Lab, at: At) -> None:
    place = lab.place()
    assert lab.killed(place, Command(1), at)
    again = lab.run(place, Command(1))
    assert (again.code, again.status) == (0, "deployed"), again.shown
    left = lab.left(place)
    [aliases] = left.state.versions.values()
    assert [alias.partition("-")[0] for alias in aliases] == ["b", "default", "p"]
    assert (left.state.split, left.state.record, left.state.running) == ({left.state.deployed[0]: 100}, None, 0)
    assert (len(left.state.deployed), left.staging, left.servers) == (1, None, 1)
    lab.clear(place)
