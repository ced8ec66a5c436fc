"""What a run wants to measure, and what it has measured so far: a file that grows by a line for each start of a server.

A run that ends early loses only the start that it was in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures.

    Attributes:
        servers: their names.
        beside: other checkouts, whose runtime is measured too.
        models: their names.
        clients: how many ask at once.
        rounds: how often everything is measured.
        seconds: of a window.
        contents: of each server's code and lock, a digest: windows of different code must not be mixed.
    """

    servers: tuple[str, ...]
    beside: tuple[str, ...]
    models: tuple[str, ...]
    clients: tuple[int, ...]
    rounds: int
    seconds: float
    contents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """Some seconds of load.

    Attributes:
        rate: images a second.
        p50: milliseconds.
        p99: milliseconds.
        requests: that were answered.
        errors: requests that were not, or with another status than 200.
        foreign: cores that other programs used meanwhile.
        used: cores that the server used.
        clients: how many asked at once; 0 where nobody asks, for the limit.
        batch: of the limit: images of a batch.
        processes: of the limit.
        threads: of each of its processes.
    """

    rate: float
    p50: float
    p99: float
    requests: int
    errors: int
    foreign: float
    used: float
    clients: int = 0
    batch: int = 0
    processes: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """A server that was started, and what was measured until it was stopped.

    Attributes:
        round: the first is 1.
        model: its name.
        server: its name.
        healthy: seconds from the start to health; of the limit, to one process that has loaded the model.
        answered: seconds from the start to the first answer.
        memory: megabytes (PSS) of all its processes, the most that was seen after a window.
        windows: what was measured.
        failed: why it could not be measured.
    """

    round: int
    model: str
    server: str
    healthy: float
    answered: float
    memory: float
    windows: tuple[Window, ...]
    failed: str = ""


class Record:
    """The folder's record."""

    def __init__(self, folder: Path) -> None:
        self._plan, self._starts = folder / "plan.json", folder / "starts.jsonl"

    def begin(self, plan: Plan) -> None:
        """Forget what was measured, and write down what will be."""
        self._plan.parent.mkdir(parents=True, exist_ok=True)
        self._starts.write_text("", encoding="utf-8")
        self._plan.write_text(json.dumps(asdict(plan), indent=1), encoding="utf-8")

    def plan(self) -> Plan | None:
        """Return what the last run wanted to measure."""
        if not self._plan.exists():
            return None
        said = json.loads(self._plan.read_text(encoding="utf-8"))
        lists = {name: tuple(said[name]) for name in ("servers", "beside", "models", "clients")}
        return Plan(**said | lists)

    def starts(self) -> list[Start]:
        """Return what was measured; a line that an interruption cut off is none."""
        if not self._starts.exists():
            return []
        lines = self._starts.read_text(encoding="utf-8").split("\n")[:-1]
        return [start_of(json.loads(line)) for line in lines]

    def add(self, start: Start) -> None:
        """Write a line, in the place of one that was cut off if there is one."""
        kept = self._starts.read_text(encoding="utf-8")
        draft = self._starts.with_suffix(".draft")
        draft.write_text(kept[: kept.rfind("\n") + 1] + json.dumps(asdict(start)) + "\n", encoding="utf-8")
        draft.replace(self._starts)


def start_of(said: dict[str, Any]) -> Start:
    """Return a start of what was read."""
    return Start(**said | {"windows": tuple(Window(**each) for each in said["windows"])})
