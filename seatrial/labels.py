"""What the labels of an image say beside its digests: the versions that it serves with, and the commit it is of.

Labels inform whoever looks at an image; none of them decides anything.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seatrial import process
from seatrial.facts.requirements import Entry

_NONE = "none"


def of_pins(pins: dict[str, Entry]) -> dict[str, str]:
    """Give the locked versions of torch and of the CUDA runtime."""
    cuda = [str(pin.version) for name, pin in sorted(pins.items()) if name.startswith("nvidia-cuda-runtime")]
    torch = str(pins["torch"].version) if "torch" in pins else _NONE
    return {"dev.seatrial.torch": torch, "dev.seatrial.cuda": cuda[0] if cuda else _NONE}


def of_commit(root: Path) -> dict[str, str]:
    """Give the commit of the project in `root`, marked where files differ from it; nothing outside a repository."""
    git = shutil.which("git")
    if git is None:
        return {}
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    code, commit = process.output([git, "-C", str(root), "rev-parse", "HEAD"], env=env, timeout=30)
    if code != 0:
        return {}
    _, changes = process.output([git, "-C", str(root), "status", "--porcelain", "--", "."], env=env, timeout=60)
    mark = "-dirty" if changes.strip() else ""
    return {"org.opencontainers.image.revision": commit.strip() + mark}
