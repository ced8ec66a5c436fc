"""Kept environments as facts: which one is of a lock, and what its distributions say of themselves.

METADATA, WHEEL and RECORD are read as text, shared objects by their dynamic section. Nothing of them is imported.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.facts.packages.elf import needed
from seatrial.facts.packages.wheels import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seatrial.facts.packages.requirements import RequirementFile

_FORMAT = "2"  # raise it when what a kept environment holds changes
_LONGEST = 33_554_432  # bytes of a METADATA or RECORD; torch's RECORD has 2 MB


def merged(lock: RequirementFile, lock_text: str, runtime: RequirementFile) -> str:
    """Join a lock with the runtime's as lines with hashes; where both pin a distribution, the project's pin stays."""
    own = {entry.name for entry in lock.entries}
    added = [
        f"{entry.text} " + " ".join(f"--hash={h}" for h in entry.hashes)
        for entry in runtime.entries
        if entry.name not in own
    ]
    return lock_text.rstrip("\n") + "\n" + "\n".join(added) + "\n"


def name_of(executable: str, version: str, text: str) -> str:
    """Return the name under which the environment of an interpreter and a merged lock is kept."""
    return hashlib.sha256(f"{_FORMAT}\n{executable}\n{version}\n{text}".encode()).hexdigest()[:32]


def find(cache: Path, text: str, python: str) -> Path | None:
    """Return the folder of distributions of the environment that was made from this merged lock, if one is kept."""
    for snapshot in cache.glob("*/snapshot.json"):
        root = snapshot.parent / "environment"
        try:
            version = re.search(r"^version_info = (\S+)$", (root / "pyvenv.cfg").read_text("utf-8"), re.MULTILINE)
            executable = str((root / "bin/python").readlink())
        except (OSError, UnicodeDecodeError):
            continue
        if (
            version
            and version[1].startswith(f"{python}.")
            and name_of(executable, version[1], text) == root.parent.name
        ):
            return root / f"lib/python{python}/site-packages"
    return None


def read(site: Path, names: frozenset[str]) -> dict[str, Wheel]:
    """Read the distributions of these canonical names from a folder of installed distributions."""
    return {wheel.name: wheel for info in sorted(site.glob("*.dist-info")) for wheel in _wheel(site, info, names)}


def _wheel(site: Path, info: Path, names: frozenset[str]) -> Iterator[Wheel]:
    name = str(canonicalize_name(info.name.split("-")[0]))
    metadata = text_of(info / "METADATA")
    if name not in names or not metadata:
        return
    known = headers(metadata)
    tags = re.findall(r"^Tag: (\S+)$", text_of(info / "WHEEL"), re.MULTILINE)
    sizes = (line.rpartition(",")[2] for line in text_of(info / "RECORD").splitlines())
    yield Wheel(
        name=name,
        version=known.get("version", ("",))[0],
        requires=known.get("requires-dist", ()),
        tags=tuple(tags),
        unpacked=sum(int(size) for size in sizes if size.isdigit()),
        needed=_libraries(site) if name == "torchvision" else None,
        cuda=_cuda(site) if name == "torch" else None,
    )


def headers(metadata: str) -> dict[str, tuple[str, ...]]:
    """Return the fields of a METADATA by name in lower case; a continued line belongs to the one before it."""
    head = re.sub(r"\n[ \t]+", " ", metadata.replace("\r\n", "\n").partition("\n\n")[0])
    found: dict[str, list[str]] = {}
    for line in head.splitlines():
        field, colon, value = line.partition(":")
        if colon:
            found.setdefault(field.strip().lower(), []).append(value.strip())
    return {field: tuple(values) for field, values in found.items()}


def _libraries(site: Path) -> tuple[str, ...] | None:
    files = [file for file in sorted(site.glob("torchvision/_C*.so")) if file.is_file()]
    return tuple(dict.fromkeys(library for file in files for library in needed(file))) or None


def _cuda(site: Path) -> str | None:
    """Read which CUDA a torch was built for: "12.8", "" for a CPU build, None where it does not say."""
    found = re.search(
        r"^cuda(?:: [^=\n]+)? = (?:'([\d.]*)'|None)\s*$", text_of(site / "torch/version.py"), re.MULTILINE
    )
    return (found[1] or "") if found else None


def text_of(file: Path) -> str:
    """Return a file as text, the beginning of a very long one; "" if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(_LONGEST).decode("utf-8", errors="replace")
    except OSError:
        return ""
