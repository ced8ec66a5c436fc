"""Which machines serve predictions, and which accelerators, in which numbers, go with each.

This is the emulator's own reading of Google's page, deliberately separate from the deployer's, so that each finds the
other's mistakes. Prices, regions and quota limits are not known here.
"""

from __future__ import annotations

# https://cloud.google.com/vertex-ai/docs/predictions/configure-compute#machine-types and #gpu-compatible-machine-types
_BY_ITSELF = ("e2", "n1", "n2", "n2d", "c2", "c2d", "c3", "c4", "n4")  # families that need no accelerator
_KINDS = ("standard", "highmem", "highcpu")

_N1: dict[int, dict[str, tuple[int, ...]]] = {
    2: {"P100": (1, 2, 4), "P4": (1, 2, 4), "T4": (1, 2, 4), "V100": (1, 2, 4, 8)},
    4: {"P100": (1, 2, 4), "P4": (1, 2, 4), "T4": (1, 2, 4), "V100": (1, 2, 4, 8)},
    8: {"P100": (1, 2, 4), "P4": (1, 2, 4), "T4": (1, 2, 4), "V100": (1, 2, 4, 8)},
    16: {"P100": (1, 2, 4), "P4": (1, 2, 4), "T4": (1, 2, 4), "V100": (2, 4, 8)},
    32: {"P100": (2, 4), "P4": (2, 4), "T4": (2, 4), "V100": (4, 8)},
}
_FIXED: dict[str, tuple[str, int]] = {  # machines that come with their accelerators
    "a2-highgpu-1g": ("NVIDIA_TESLA_A100", 1),
    "a2-highgpu-2g": ("NVIDIA_TESLA_A100", 2),
    "a2-highgpu-4g": ("NVIDIA_TESLA_A100", 4),
    "a2-highgpu-8g": ("NVIDIA_TESLA_A100", 8),
    "a2-megagpu-16g": ("NVIDIA_TESLA_A100", 16),
    "a2-ultragpu-1g": ("NVIDIA_A100_80GB", 1),
    "a2-ultragpu-2g": ("NVIDIA_A100_80GB", 2),
    "a2-ultragpu-4g": ("NVIDIA_A100_80GB", 4),
    "a2-ultragpu-8g": ("NVIDIA_A100_80GB", 8),
    "a3-highgpu-1g": ("NVIDIA_H100_80GB", 1),
    "a3-highgpu-2g": ("NVIDIA_H100_80GB", 2),
    "a3-highgpu-4g": ("NVIDIA_H100_80GB", 4),
    "a3-highgpu-8g": ("NVIDIA_H100_80GB", 8),
    "a3-edgegpu-8g": ("NVIDIA_H100_80GB", 8),
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
    "g2-standard-4": ("NVIDIA_L4", 1),
    "g2-standard-8": ("NVIDIA_L4", 1),
    "g2-standard-12": ("NVIDIA_L4", 1),
    "g2-standard-16": ("NVIDIA_L4", 1),
    "g2-standard-24": ("NVIDIA_L4", 2),
    "g2-standard-32": ("NVIDIA_L4", 1),
    "g2-standard-48": ("NVIDIA_L4", 4),
    "g2-standard-96": ("NVIDIA_L4", 8),
    "g4-standard-48": ("NVIDIA_RTX_PRO_6000", 1),
    "g4-standard-96": ("NVIDIA_RTX_PRO_6000", 2),
    "g4-standard-192": ("NVIDIA_RTX_PRO_6000", 4),
    "g4-standard-384": ("NVIDIA_RTX_PRO_6000", 8),
}
DEFAULT = "n1-standard-2"  # google/cloud/aiplatform/v1/machine_resources.proto


def problem(machine: str, accelerator: str, count: int) -> str:
    """Return what is wrong with a machine and its accelerators; "" if nothing is.

    Args:
        machine: such as "n1-standard-4".
        accelerator: the enum's name, or "" for none.
        count: how many each replica has.
    """
    if bool(accelerator) != (count > 0):
        return "accelerator_type and accelerator_count must be set together"
    if fixed := _FIXED.get(machine):
        return "" if (accelerator, count) == fixed else f"{machine} needs {fixed[1]} {fixed[0]}"
    family, kind, cores = (*machine.split("-"), "", "")[:3]
    if family not in _BY_ITSELF or kind not in _KINDS or not cores.isdecimal():
        return f"Machine type {machine} is not supported"
    if not accelerator:
        return ""
    counts = _N1.get(int(cores), {}).get(accelerator.removeprefix("NVIDIA_TESLA_")) if family == "n1" else None
    if counts is None:
        return f"Accelerator type {accelerator} is not supported for machine type {machine}"
    return "" if count in counts else f"{machine} takes {', '.join(map(str, counts))} {accelerator}, not {count}"


def quota_metric(machine: str, accelerator: str, *, spot: bool = False) -> str:
    """Return the quota metric that such replicas count against, without the service's name."""
    # Those of accelerators are in Google's CLI, lib/googlecloudsdk/command_lib/ai/model_garden_utils.py, and those
    # of spot machines in GoogleCloudPlatform/vertex-ai-samples, notebooks/community/model_garden.
    kind = "custom_model_serving_preemptible" if spot else "custom_model_serving"
    if accelerator:
        card = accelerator.lower().replace("nvidia_tesla_", "nvidia_").replace("h100_80gb", "h100")
        return f"{kind}_{card}_gpus"
    family = machine.partition("-")[0]
    return f"{kind}_cpus" if family in ("n1", "e2") else f"{kind}_{family}_cpus"


def cores(machine: str) -> int:
    """Return how many processors a machine has; 0 if its name does not say."""
    last = machine.rpartition("-")[2]
    return int(last) if last.isdecimal() else 0
