"""GPUs: what CUDA, the driver and the kernel report."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

LOGS = {
    "fork": Said(
        raised(
            "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you "
            "must use the "
            "'spawn' start method",
            "/app/main.py|batch = batch.to('cuda')",
        ),
        "ST630",
        (r"--preload", r"post_fork"),
    ),
    "architecture": Said(
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "ST602",
        (r"no kernels for this GPU",),
    ),
    "memory of several workers": Said(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.58 "
        "GiB of which "
        "1.56 GiB is free. Process 11 has 6.50 GiB memory in use. Process 12 has 6.50 GiB memory in use.",
        "ST620",
        (r"1\.56 GiB of 14\.58 GiB", r"one worker"),
    ),
    "hardware": Said(
        "NVRM: Xid (PCI:0000:00:04): 79, pid=1, GPU has fallen off the bus.", "ST634", (r"another machine",)
    ),
    "a program's fault in the kernel's log": Said(
        "NVRM: Xid (PCI:0000:00:04): 31, pid=1, MMU Fault", "ST633", (), (r"ST634",)
    ),
    "driver in two versions": Said(
        "Failed to initialize NVML: Driver/library version mismatch", "ST634", (r"restart the machine",)
    ),
    "docker": Said(
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        "ST602",
        (r"nvidia-container-toolkit",),
    ),
    "assertion": Said("RuntimeError: CUDA error: device-side assert triggered", "ST633", (r"index is out of range",)),
    "no GPU": Said("RuntimeError: No CUDA GPUs are available", "ST602", (r"no GPU",)),
    "warning": Said(
        "/x/torch/cuda/__init__.py:1: UserWarning: CUDA initialization: Found no NVIDIA driver on your system.", ""
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
