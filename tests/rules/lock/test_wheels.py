"""What wheels tell of a lock: what is not known for sure is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.packages.wheels import File, Wheel, Wheels
from seatrial.rules.lock import wheels
from tests.projects.base import Twin, made
from tests.projects.twins.builds import built
from tests.projects.wheels import known
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(wheels), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "wheels",
    [
        Wheels(),
        known(Wheel("numpy", "9.9.9", requires=("pillow<1",))),  # of another version than the lock's
        known(Wheel("numpy", "not a version", requires=("pillow<1",))),
        known(Wheel("numpy", "2.3.3", requires=("((", "pillow @ https://a.example/p.whl", "numpy[extra]>=1"))),
        known(Wheel("numpy", "2.3.3", files=())),
        known(Wheel("numpy", "2.3.3", files=(File("nonsense", locked=True),), tags=("py3-none-any",))),
        known(Wheel("torch", "2.8.0", cuda="12.8"), Wheel("torchvision", "0.23.0", needed=None)),
        built("12.8"),
        built("12.8", "libc10_cuda.so"),
        built("", "libtorch_cpu.so"),
    ],
    ids=range(10),
)
def test_what_is_not_known_for_sure_is_no_fault(tmp_path: Path, wheels: Wheels) -> None:
    assert findings(made(tmp_path / "project", {}, wheels)) == []
