"""What wheels tell of a lock: what is not known for sure is no fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.check.run import check
from seatrial.facts.gather import Gathered, gather
from seatrial.facts.libraries.taken import Taken
from seatrial.facts.packages.wheels import File, Wheel, Wheels
from seatrial.findings import Finding, Severity
from seatrial.rules.lock import wheels
from tests.projects.base import Twin, made
from tests.projects.twins.builds import built
from tests.projects.twins.names import building
from tests.projects.wheels import known
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(wheels), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_offline_a_note_names_the_rules_that_could_not_look_up_a_name(tmp_path: Path) -> None:
    project = made(tmp_path, building("pass", "from kelp.layers import Air"), known())
    (note,) = (f for f in check(Gathered(project), offline=True) if isinstance(f, Finding))
    assert (note.code, note.severity) == ("ST119", Severity.NOTE)
    assert note.message.endswith("these rules may have missed one: ST170, ST171, ST172, ST173, ST174")
    assert findings(project) == []  # SEATRIAL_OFFLINE forbids asking without a note about it


def test_offline_nothing_is_noted_where_every_name_was_looked_up_before(tmp_path: Path) -> None:
    facts = replace(gather(made(tmp_path, building("pass", "from kelp.layers import Air"), known())), offline=True)
    assert wheels.UNDECIDED.check
    assert list(wheels.UNDECIDED.check(facts)) == []
    assert list(wheels.UNDECIDED.check(replace(facts, taken=Taken(undecided="no answer"))))


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
