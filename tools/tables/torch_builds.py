"""torch_builds.json: the CUDA and C library of each minor release of torch.

The architectures stay as they were read: they are only in libtorch_python.so, as `sm_75 sm_80 …`. A new minor release
has none until somebody reads it.
"""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.version import Version

from seatrial.facts.packages.file_names import tags_of
from tools.tables.releases import Table, metadata, releases

OLDEST = Version("1.13")  # older wheels name no CUDA
_LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}  # PEP 600


def made(former: Table) -> Table:
    """Return the table as it is now, with the architectures of the former one.

    Raises:
        OSError, ValueError: the index cannot be read.
    """
    rows: Table = {}
    for version, files in releases("torch", OLDEST).items():
        minor = f"{version.major}.{version.minor}"
        cuda = _cuda(metadata(files[0]).get("requires-dist", ()))
        known = former["torch"].get(minor, {})
        rows[minor] = {
            "cuda": cuda, "glibc": _glibc(files[0].name), "architectures": known.get("architectures", []),
        }  # fmt: skip
    return {**former, "torch": rows}


def _cuda(requires: tuple[str, ...]) -> str:
    """Return the CUDA of a torch by what it requires: nvidia-cuda-runtime-cu12, or cuda-toolkit since CUDA 13."""
    for line in requires:
        need = Requirement(line)
        if re.fullmatch(r"nvidia-cuda-runtime(-cu\d+)?|cuda-toolkit", need.name):
            version = next((Version(s.version.removesuffix(".*")) for s in need.specifier if s.operator == "=="), None)
            if version:
                return f"{version.major}.{version.minor}"
    return ""


def _glibc(wheel: str) -> str:
    platforms = {tag.platform for tag in tags_of(wheel)}
    newer = [f"{m[1]}.{m[2]}" for platform in platforms if (m := re.match(r"manylinux_(\d+)_(\d+)_", platform))]
    older = [glibc for name, glibc in _LEGACY.items() if f"{name}_x86_64" in platforms]
    return min([*newer, *older], key=Version, default="")
