"""The labels of an image: their names, and the values for locked versions and the commit.

A trial recognises a project's image by the bundle and version digests; the other labels only inform.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seatrial.facts.packages.requirements import Entry
from seatrial.system import process

BUNDLE = "dev.seatrial.bundle-digest"
VERSION = "dev.seatrial.version-digest"
LOCK = "dev.seatrial.lock-digest"
BASE = "dev.seatrial.base-digest"
DEVICE = "dev.seatrial.device"
PYTHON = "dev.seatrial.python"
TORCH = "dev.seatrial.torch"
CUDA = "dev.seatrial.cuda"
COMMIT = "org.opencontainers.image.revision"  # one of OCI's own annotation keys
_NONE = "none"


def of_pins(pins: dict[str, Entry]) -> dict[str, str]:
    """Return the labels of the locked versions of torch and of the CUDA runtime."""
    cuda = [str(pin.version) for name, pin in sorted(pins.items()) if name.startswith("nvidia-cuda-runtime")]
    torch = str(pins["torch"].version) if "torch" in pins else _NONE
    return {TORCH: torch, CUDA: cuda[0] if cuda else _NONE}


def of_commit(root: Path) -> dict[str, str]:
    """Return the label of the commit in `root`, marked if files differ from it; empty outside a repository."""
    git = shutil.which("git")
    if git is None:
        return {}
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    code, commit = process.output([git, "-C", str(root), "rev-parse", "HEAD"], env=env, timeout=30)
    if code != 0:
        return {}
    _, changes = process.output([git, "-C", str(root), "status", "--porcelain", "--", "."], env=env, timeout=60)
    mark = "-dirty" if changes.strip() else ""
    return {COMMIT: commit.strip() + mark}
