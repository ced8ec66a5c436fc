"""torch_pairs.json: which torch a torchvision requires, and the Pythons that each has a wheel for."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.version import Version

from tools.tables.releases import Table, metadata, pythons, releases

OLDEST_TORCH, OLDEST_TORCHVISION = Version("1.11.0"), Version("0.12.0")  # a pair


def made(_: Table) -> Table:
    """Return the table as it is now.

    Raises:
        OSError, ValueError: the index cannot be read.
    """
    torch = {str(version): pythons(files) for version, files in releases("torch", OLDEST_TORCH).items()}
    every = sorted({python for pythons in torch.values() for python in pythons}, key=Version)
    rows: Table = {}
    for version, files in releases("torchvision", OLDEST_TORCHVISION).items():
        needs = [Requirement(line) for line in metadata(files[0]).get("requires-dist", ())]
        of_torch = next((str(need.specifier) for need in needs if need.name == "torch"), "")
        rows[str(version)] = {"torch": of_torch, "pythons": [p for p in pythons(files) if p in every]}
    return {
        "source": "Requires-Dist and file names of the published wheels for CPython on Linux x86-64",
        "torchvision": rows,
        "torch": torch,
    }
