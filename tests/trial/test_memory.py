"""Memory beside the machine: what a machine leaves, and what is too much for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.tables import machines
from seatrial.findings import Severity
from seatrial.project import Project
from seatrial.trial import memory
from seatrial.trial.measured import Measured


def project(machine: str, limit: str = "4g", workers: int | str = "auto") -> Project:
    return Project.model_validate(
        {"root": Path(), "predictor": "p:P", "name": "p", "vertex": {"machine-type": machine},
         "smoke": {"memory": limit}, "serving": {"workers": workers}}
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


def test_each_worker_more_takes_what_one_takes_besides_what_they_share() -> None:
    measured = Measured(workers=1)
    used = {"peak": 900 * memory.MIB, "resident": 800 * memory.MIB, "memory": 200 * memory.MIB}
    assert not list(memory.judge(project("n1-highcpu-4"), used, "cpu", measured))
    assert (measured.workers_there, measured.memory_there) == (4, 1800 * memory.MIB)
    assert "with 1 worker, about 1.8 GiB with the 4 of n1-highcpu-4" in measured.words()[0]


def test_a_warning_says_that_more_workers_may_need_more_than_the_machine_has() -> None:
    measured = Measured(workers=1)
    used = {"peak": 2 * memory.GIB, "resident": 2 * memory.GIB, "memory": memory.GIB}
    (found,) = memory.judge(project("n1-highcpu-4"), used, "cpu", measured)
    assert (found.code, found.severity) == ("ST568", Severity.WARNING)
    assert (
        "2.0 GiB of memory with 1 of the 4 workers that it has there, so it may need 5.0 GiB with all" in found.message
    )
    assert not list(memory.judge(project("n1-highcpu-4", workers=1), used, "cpu", measured))
    assert "GiB of memory of about" in measured.words()[0]


def test_what_more_workers_take_here_than_there_are_on_the_machine_is_none_of_its_memory() -> None:
    measured = Measured(workers=16)
    used = {"peak": 5 * memory.GIB, "resident": 5 * memory.GIB, "memory": 4 * memory.GIB}
    assert not list(memory.judge(project("n1-highcpu-4"), used, "cpu", measured))
    assert (measured.workers_there, measured.memory_there) == (4, 2 * memory.GIB)


def test_shared_memory_beyond_a_containers_is_found_on_the_cpu() -> None:
    used = {"peak": 1, "shared": 200_000_000}
    (found,) = memory.judge(project("n1-standard-4"), used, "cpu", Measured())
    assert found.code == "ST545"
    assert not list(memory.judge(project("n1-standard-4"), used, "cuda", Measured()))


def test_who_sets_the_limit_that_was_not_enough_is_named() -> None:
    of_smoke = memory.ran_out(project("n1-standard-4", "256m"))
    assert of_smoke.code == "ST543"
    assert "256m of memory that smoke.memory allows" in of_smoke.message
    assert '(it is "256m")' in of_smoke.fix
    of_machine = memory.ran_out(project("n1-highcpu-2", "64g"))
    assert "that vertex.machine-type, n1-highcpu-2, allows" in of_machine.message
    assert "smoke" not in of_machine.fix
