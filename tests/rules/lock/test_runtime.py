"""What is locked against what the serving runtime works with."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.packages import requirements
from seatrial.rules.lock import runtime
from seatrial.rules.lock.runtime import outside_runtime
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, places, small_project


@pytest.mark.parametrize("twin", twins_of(runtime), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_a_pin_that_the_runtime_cannot_work_with_is_found_in_the_check(tmp_path: Path) -> None:
    (found,) = findings(small_project(tmp_path, locked("uvicorn==0.19.0")))
    assert (found.code, str(found.location)) == ("ST112", "requirements.txt:1:1")
    assert found.message == "the lock pins uvicorn==0.19.0, but the serving runtime needs uvicorn>=0.30"
    assert "ask for `uvicorn>=0.30` in requirements.in" in found.fix


@pytest.mark.parametrize("pin", ["uvicorn==0.30.0", "uvicorn==0.54.0", "click==8.0.0"])
def test_a_pin_in_the_range_of_the_runtime_is_no_finding(tmp_path: Path, pin: str) -> None:
    assert findings(small_project(tmp_path, locked(pin))) == []


def test_a_pin_of_both_locks_is_one_finding_and_one_of_the_cpu_lock_alone_is_found(tmp_path: Path) -> None:
    lock = locked("uvicorn==0.19.0")
    both = small_project(tmp_path, {**lock, "requirements-cpu.txt": lock["requirements.txt"]})
    assert places(both, "ST112") == ["requirements.txt:1:1"]
    alone = small_project(tmp_path, {**lock, **locked(), "requirements-cpu.txt": lock["requirements.txt"]})
    assert places(alone, "ST112") == ["requirements-cpu.txt:1:1"]


def test_a_pin_of_another_python_is_not_judged(tmp_path: Path) -> None:
    text = 'uvicorn==0.19.0 ; python_version < "3.9"\nuvicorn==0.40.0 ; python_version >= "3.9"\n'
    (tmp_path / "requirements.txt").write_text(text)
    lock = requirements.read(tmp_path / "requirements.txt", tmp_path)
    runtime_in = requirements.read_runtime("requirements.in")
    assert list(outside_runtime(lock, runtime_in, "3.11")) == []
    assert [f.code for f in outside_runtime(lock, runtime_in, "3.8")] == ["ST112"]
