"""What the wheels of a lock say of themselves: what they ask for, their files, their size, their build.

It is read from the environment that is kept of the lock, else from what an index said once (see `index`), which is
remembered under the lock's digest. Without both a pin is unknown here, and for the rules that ask for it undecided.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from seatrial.system import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORMAT = 1  # raise it when a field changes its meaning
_REMEMBERED_AT_MOST = 64  # locks
_LARGEST = 8_388_608  # bytes of what is remembered of a lock


@dataclass(frozen=True, slots=True)
class File:
    """A published file of a version: its name, whether the lock's hashes allow it, and its size in bytes if known."""

    name: str
    locked: bool
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Wheel:
    """What is known of a pinned distribution.

    Attributes:
        name: its canonical name.
        version: as published, with its label.
        requires: its Requires-Dist lines; None where they are not known.
        files: all files of this version that the indexes have; None where no index was asked.
        tags: of the wheel that is installed, or that fits the target; () where there is none.
        packed: the size of that wheel in bytes; None where it is not known.
        unpacked: what it takes installed, in bytes; None where it is not known.
        needed: the libraries that torchvision's compiled part is linked with; None where it was not read.
        cuda: the CUDA that torch was built for: "12.8", "" for a CPU build; None where it was not read.
    """

    name: str
    version: str
    requires: tuple[str, ...] | None = None
    files: tuple[File, ...] | None = None
    tags: tuple[str, ...] = ()
    packed: int | None = None
    unpacked: int | None = None
    needed: tuple[str, ...] | None = None
    cuda: str | None = None


@dataclass(frozen=True, slots=True)
class Wheels:
    """What is known of a lock's pins.

    Attributes:
        known: canonical name → wheel.
        unknown: the names of the pins of which nothing is known.
        source: "installed", "index", or "" where nothing is known.
        fault: why an index did not say it all; "" where none was asked or all was said.
        asked: when an index was asked, in seconds since 1970.
        late: the names of known pins whose metadata did not come in time.
    """

    known: Mapping[str, Wheel] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    source: str = ""
    fault: str = ""
    asked: float = 0.0
    late: tuple[str, ...] = ()


def key_of(lock_text: str, python: str) -> str:
    """Return the name under which the facts of a lock are remembered for a Python."""
    return hashlib.sha256(f"{_FORMAT}\n{python}\n{lock_text}".encode()).hexdigest()[:32]


def recall(cache: Path, key: str) -> Wheels | None:
    """Return what is remembered of a lock; None if there is nothing that can be read."""
    try:
        with (cache / "wheels" / f"{key}.json").open("rb") as opened:
            content: dict[str, Any] = json.loads(opened.read(_LARGEST))
        return Wheels(
            known={row["name"]: _wheel(row) for row in content["known"]},
            unknown=tuple(content["unknown"]),
            source=str(content["source"]),
            fault=str(content["fault"]),
            asked=float(content["asked"]),
            late=tuple(content["late"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def remember(cache: Path, key: str, wheels: Wheels) -> None:
    """Remember what is known of a lock; a folder that cannot be written remembers nothing."""
    folder = cache / "wheels"
    content = {**asdict(wheels), "known": [asdict(wheel) for wheel in wheels.known.values()]}
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / f"{key}.json", json.dumps(content, separators=(",", ":")))
        by_age = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in by_age[_REMEMBERED_AT_MOST:]:
            file.unlink(missing_ok=True)


def _wheel(row: dict[str, Any]) -> Wheel:
    known = {name.name: row[name.name] for name in fields(Wheel)}
    for name in ("requires", "tags", "needed"):
        known[name] = None if known[name] is None else tuple(map(str, known[name]))
    if known["files"] is not None:
        known["files"] = tuple(File(str(f["name"]), bool(f["locked"]), f["size"]) for f in known["files"])
    return Wheel(**known)
