"""What wheels tell of a lock: the cases that pairs of projects do not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.packages.wheels import File, Wheel, Wheels
from seatrial.facts.tables import torch_builds
from tests.projects.base import made
from tests.projects.twins.locks import of
from tests.projects.twins.wheels import accelerated, built, known
from tests.small_project import findings


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


@pytest.mark.parametrize(
    ("base", "torch", "count"),
    [
        ("python:3.11-slim-buster", "2.8.0", 0),
        ("python:3.11-slim-bullseye", "2.8.0", 0),
        ("amazonlinux:2023", "2.8.0", 0),
        ("amazonlinux:2", "2.8.0", 1),
        ("almalinux:9", "2.8.0", 0),
        ("centos:7", "2.6.0", 0),
        ("centos:7", "2.7.0", 1),
        ("nvidia/cuda:11.8.0-runtime-ubuntu18.04", "2.8.0", 1),
        ("nvidia/cuda:12.8.0-runtime-ubuntu22.04", "2.8.0", 0),
        ("example.com/alpinist/base", "2.8.0", 0),
    ],
)
def test_a_base_is_judged_by_what_its_name_tells(tmp_path: Path, base: str, torch: str, count: int) -> None:
    files = {"Dockerfile": f"FROM {base}\n", **of(torch=torch, torchvision="9.9.9")}
    assert len(findings(made(tmp_path / "project", files), "ST115")) == count
