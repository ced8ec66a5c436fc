"""What this machine offers to a server: cores that it may use, and GPUs. torch is not imported for it."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from pathlib import Path

# Variables for a trial. If they are set, one process predicts, so that it starts sooner;
ONE_WORKER = "SEATRIAL_ONE_WORKER"
GIVES_BACK = "SEATRIAL_GIVES_BACK"  # and freed memory goes back to the kernel, so that what a predictor keeps is seen.
_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Return how many cores this process may use: those it may run on, within the quota of its container."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(usable, _quota(_CGROUP))))


def _quota(cgroup: Path) -> float:
    """Return the processor time that the container gets a second; infinity if it has no limit."""
    with suppress(OSError, ValueError):  # version 2
        quota, period = (cgroup / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):  # version 1
        quota, period = ((cgroup / f"cpu/cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return math.inf if int(quota) <= 0 else int(quota) / int(period)
    return math.inf


def gpus(devices: Path = Path("/dev")) -> list[str]:
    """Return the GPUs as CUDA_VISIBLE_DEVICES names them: those that it lists, else all that the machine shows."""
    try:
        found = [name for name in os.listdir(devices) if re.fullmatch(r"nvidia\d+", name)]  # noqa: PTH208
    except OSError:
        found = []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not found or chosen is None:
        return [str(number) for number in range(len(found))]
    return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
