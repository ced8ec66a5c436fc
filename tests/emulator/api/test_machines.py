"""Machine types, their accelerators and the quota that they count against."""

from __future__ import annotations

import pytest

from seatrial.emulator.api import machines


@pytest.mark.parametrize(
    ("machine", "accelerator", "count", "right"),
    [
        ("n1-standard-4", "", 0, True),
        ("e2-standard-4", "", 0, True),
        ("n1-standard-4", "NVIDIA_TESLA_T4", 1, True),
        ("n1-standard-4", "NVIDIA_TESLA_T4", 3, False),
        ("n1-highmem-16", "NVIDIA_TESLA_V100", 1, False),
        ("n1-highmem-16", "NVIDIA_TESLA_V100", 2, True),
        ("n1-standard-4", "NVIDIA_L4", 1, False),
        ("e2-standard-4", "NVIDIA_TESLA_T4", 1, False),
        ("g2-standard-4", "NVIDIA_L4", 1, True),
        ("g2-standard-4", "NVIDIA_L4", 2, False),
        ("g2-standard-24", "NVIDIA_L4", 2, True),
        ("a2-highgpu-1g", "NVIDIA_TESLA_A100", 1, True),
        ("a3-ultragpu-8g", "NVIDIA_H200_141GB", 8, True),
        ("a2-highgpu-1g", "", 0, False),
        ("nonsense", "", 0, False),
    ],
)
def test_machines_and_accelerators_pair_as_google_lists_them(
    machine: str, accelerator: str, count: int, right: bool
) -> None:
    assert (machines.problem(machine, accelerator, count) == "") is right


def test_quota_is_counted_by_the_accelerator_or_by_the_machines_family() -> None:
    assert machines.quota_metric("n1-standard-4", "NVIDIA_TESLA_T4") == "custom_model_serving_nvidia_t4_gpus"
    assert machines.quota_metric("a2-ultragpu-1g", "NVIDIA_A100_80GB") == "custom_model_serving_nvidia_a100_80gb_gpus"
    spot = machines.quota_metric("a3-highgpu-8g", "NVIDIA_H100_80GB", spot=True)
    assert spot == "custom_model_serving_preemptible_nvidia_h100_gpus"
    assert machines.quota_metric("n1-standard-4", "") == "custom_model_serving_cpus"
    assert machines.quota_metric("n2-standard-4", "") == "custom_model_serving_n2_cpus"
    assert machines.cores("n1-standard-16") == 16
