"""Accelerators that the locked torch has kernels for."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.tables import torch_builds
from seatrial.rules.devices import accelerators
from tests.projects.base import Twin, made
from tests.projects.locks import of
from tests.projects.twins.accelerators import accelerated
from tests.rules.judging import Judge, seen_by_running, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(accelerators), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST610"} == seen_by_running(accelerators)


@pytest.mark.parametrize("version", ["2.4.1", "2.8.0", "2.10.0"])
@pytest.mark.parametrize("kind", ["NVIDIA_TESLA_T4", "NVIDIA_L4", "NVIDIA_TESLA_A100", "NVIDIA_H100_80GB"])
def test_the_usual_accelerators_have_kernels_in_every_usual_torch(tmp_path: Path, version: str, kind: str) -> None:
    files = {**accelerated(kind), **of(torch=version, torchvision="9.9.9")}
    assert findings(made(tmp_path / "project", files), "ST611") == []


def test_a_label_of_a_cuda_that_nobody_read_is_not_judged(tmp_path: Path) -> None:
    files = {**accelerated("NVIDIA_TESLA_V100"), **of(torch="2.8.0+cu126", torchvision="0.23.0+cu126")}
    assert findings(made(tmp_path / "project", files), "ST611") == []


def test_a_label_of_cuda_13_leaves_volta_out(tmp_path: Path) -> None:
    files = {**accelerated("NVIDIA_TESLA_V100"), **of(torch="2.9.1+cu130", torchvision="0.24.1+cu130")}
    (found,) = findings(made(tmp_path / "project", files), "ST611")
    assert "NVIDIA_TESLA_T4" in found.fix


def test_every_accelerator_of_the_machines_has_a_capability() -> None:
    from seatrial.facts.tables import machines

    kinds = {kind for machine in machines().machines.values() for kind in machine.accelerators if "TPU" not in kind}
    assert kinds <= torch_builds().capabilities.keys()
