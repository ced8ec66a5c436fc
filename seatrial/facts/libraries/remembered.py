"""What was answered about a lock's libraries, kept in the cache under the lock's digest."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.facts.libraries.taken import Hook, Misfit, Missing
from seatrial.system import files

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 3  # raise it when an answer changes its meaning
_AT_MOST = 64  # locks
_LARGEST = 4_194_304  # bytes of what is kept of a lock


@dataclass
class Remembered:
    """What was answered for a lock.

    Attributes:
        missing: question → what is missing; None if nothing is.
        hooks: `base class!methods` → the methods that are no longer called.
        misfits: module that the project imports → what libraries lack when it is imported.
        numpy_1: distribution → a compiled module of it that was built for numpy 1; "" if there is none.
        unfinished: the questions and modules of which an index should be asked more; their answers are not kept.
    """

    missing: dict[str, Missing | None] = field(default_factory=dict)
    hooks: dict[str, list[Hook]] = field(default_factory=dict)
    misfits: dict[str, list[Misfit]] = field(default_factory=dict)
    numpy_1: dict[str, str] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)


def recall(cache: Path, key: str) -> Remembered:
    """Return what is kept under a key; nothing if it cannot be read."""
    try:
        with (cache / "names" / f"{key}.json").open("rb") as opened:
            content: dict[str, Any] = json.loads(opened.read(_LARGEST))
        if content["format"] != _FORMAT:
            return Remembered()
        return Remembered(
            {q: Missing(**row) if row else None for q, row in content["missing"].items()},
            {q: [_hook(row) for row in rows] for q, rows in content["hooks"].items()},
            {root: [_misfit(row) for row in rows] for root, rows in content["misfits"].items()},
            {name: str(module) for name, module in content["numpy_1"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Remembered()


def remember(cache: Path, key: str, known: Remembered) -> None:
    """Keep what was answered; a folder that cannot be written keeps nothing."""
    folder = cache / "names"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        missing = {question: one for question, one in known.missing.items() if question not in known.unfinished}
        misfits = {root: found for root, found in known.misfits.items() if root not in known.unfinished}
        kept = asdict(Remembered(missing, known.hooks, misfits, known.numpy_1))
        content = {"format": _FORMAT, **{name: kept[name] for name in ("missing", "hooks", "misfits", "numpy_1")}}
        files.write(folder / f"{key}.json", json.dumps(content, separators=(",", ":")))
        by_age = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in by_age[_AT_MOST:]:
            file.unlink(missing_ok=True)


def _hook(row: dict[str, Any]) -> Hook:
    return Hook(Missing(**row["missing"]), bool(row["required"]))


def _misfit(row: dict[str, Any]) -> Misfit:
    return Misfit(**{**row, "missing": Missing(**row["missing"])})
