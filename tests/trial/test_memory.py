"""Memory beside the machine: what a machine leaves, and what is too much for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.tables import machines
from seatrial.project import Project
from seatrial.trial import memory
from seatrial.trial.measured import Measured


def project(machine: str, limit: str = "4g") -> Project:
    return Project.model_validate(
        {"root": Path(), "predictor": "p:P", "name": "p", "vertex": {"machine-type": machine},
         "smoke": {"memory": limit}}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "whole", "left"),
    [("n1-highcpu-2", 1.8, 1.25), ("n1-standard-4", 15, 12.4), ("g2-standard-96", 384, 369.5), ("x9-standard-2", 0, 0)],
)
def test_a_machine_leaves_what_the_platform_does_not_take(machine: str, whole: float, left: float) -> None:
    known = machines().machines.get(machine)
    assert (known.memory if known else 0) == pytest.approx(whole)
    assert memory.of_machine(project(machine)) / memory.GIB == pytest.approx(left, abs=0.06)


def test_every_machine_of_the_table_has_its_memory_except_those_not_known() -> None:
    assert [name for name, machine in machines().machines.items() if not machine.memory] == ["a4x-highgpu-4g"]


@pytest.mark.parametrize(
    ("machine", "limit", "allowed"),
    [("n1-highcpu-2", "4g", "1282m"), ("n1-standard-4", "4g", "4096m"), ("n1-highcpu-2", "512m", "512m"),
     ("x9-standard-2", "2g", "2048m")],
)  # fmt: skip
def test_a_container_gets_the_smaller_of_machine_and_setting(machine: str, limit: str, allowed: str) -> None:
    assert memory.limit(project(machine, limit)) == allowed


def test_more_than_the_machine_has_is_an_error_and_less_is_none() -> None:
    measured = Measured()
    (found,) = memory.judge(project("n1-highcpu-2"), {"peak": 2_500_000_000}, "cpu", measured)
    assert found.code == "ST568"
    assert "needed 2.3 GiB of memory; n1-highcpu-2 has 1.8 GiB" in found.message
    assert measured.peak_memory == 2_500_000_000
    assert not list(memory.judge(project("n1-standard-4"), {"peak": 2_500_000_000}, "cpu", measured))
    assert not list(memory.judge(project("x9-standard-2"), {"peak": 2_500_000_000}, "cpu", measured))


def test_shared_memory_beyond_a_containers_is_found_on_the_cpu() -> None:
    used = {"peak": 1, "shared": 200_000_000}
    (found,) = memory.judge(project("n1-standard-4"), used, "cpu", Measured())
    assert found.code == "ST545"
    assert not list(memory.judge(project("n1-standard-4"), used, "cuda", Measured()))
