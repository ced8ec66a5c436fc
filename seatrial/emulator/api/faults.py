"""Faults on order: what the emulator does wrong, once or always, and the proof that it did.

A fault that never took effect proves nothing, so each one records whether it did. The control plane and the
operations ask here which faults are due.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from seatrial.emulator.api.refusals import CANCELLED, INTERNAL, RefusedError


@dataclass(eq=False, slots=True)
class Fault:
    """One thing that goes wrong: in calls, in a `stage` of an operation, or because the project lacks something.

    Attributes:
        method: the RPC that it is about, such as "DeployModel", or "*".
        when: before the change, which is then not made, or after it, when only the answer is lost.
        times: how many calls or stages it affects; None for all.
        skip: how many it lets pass first.
        code: the status of the answer; None to answer as usual (after `seconds`).
        message: the text with that status.
        seconds: the delay before anything else; for a stage, how much longer it takes.
        silence: never answer.
        reset: drop the connection.
        late: with `seconds`, nobody needs to wait any more: the call comes late, but it comes.
        stage: a deployment stage, or the name of an RPC whose operation has no stages ("UploadModel").
        never: the stage never ends by itself.
        error: code and text with which the stage ends the operation.
        partial: code and text that the stage adds to the operation's partial failures.
        empty_logs: no log entry is ever found.
        denied: permissions that the caller lacks, such as "aiplatform.models.upload".
        disabled: services that are not enabled, such as "aiplatform.googleapis.com".
        quota: limits by metric, such as {"custom_model_serving_cpus": 4}; other metrics are unlimited.
        hit: set when it first takes effect.
    """

    method: str = "*"
    when: Literal["before", "after"] = "before"
    times: int | None = 1
    skip: int = 0
    code: int | None = None
    message: str = ""
    seconds: float = 0.0
    silence: bool = False
    reset: bool = False
    late: bool = False
    stage: str = ""
    never: bool = False
    error: tuple[int, str] | None = None
    partial: tuple[int, str] | None = None
    empty_logs: bool = False
    denied: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    quota: dict[str, int] = field(default_factory=dict)
    hit: threading.Event = field(default_factory=threading.Event, init=False)

    @property
    def of_calls(self) -> bool:
        """Whether it is about calls: not about a stage, and not about what the project lacks."""
        return not (self.stage or self.empty_logs or self.denied or self.disabled or self.quota)


class Faults:
    """The faults on order, oldest first; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add a fault."""
        with self._changed:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Remove a fault; what it held up goes on."""
        with self._changed:
            if fault in self._faults:
                self._faults.remove(fault)
            self._changed.notify_all()

    def from_json(self, text: str) -> list[Fault]:
        """Add the faults of a JSON array of objects with `Fault`'s fields, or of one such object.

        Raises:
            ValueError: it is not such JSON, or has a field that no fault has.
        """
        read = json.loads(text)
        return [self.add(_fault(item)) for item in (read if isinstance(read, list) else [read])]

    def clear(self) -> None:
        """Remove all faults; stages that would never end go on, and calls without an answer end."""
        with self._changed:
            self._faults.clear()
            self._changed.notify_all()

    def of_call(self, method: str, when: str) -> Fault | None:
        """Return the first fault that is due for a call, if there is one, and count it."""
        return next(self._due(lambda f: f.of_calls and f.when == when and f.method in ("*", method)), None)

    def of_stage(self, stage: str, method: str) -> list[Fault]:
        """Return the faults that are due for a stage of an operation, and count them."""
        return list(self._due(lambda f: f.stage == stage and f.method in ("*", method)))

    def wait(self, fault: Fault, stop: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until the fault is removed, `stop` returns True, or the seconds have passed; check 20 times a second."""
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while fault in self._faults and not stop() and (end is None or time.monotonic() < end):
                self._changed.wait(0.05 if end is None else max(0.0, min(0.05, end - time.monotonic())))

    @property
    def denied(self) -> frozenset[str]:
        """The permissions that the caller lacks."""
        return frozenset().union(*(f.denied for f in self._current()))

    @property
    def disabled(self) -> frozenset[str]:
        """The services that are not enabled."""
        return frozenset().union(*(f.disabled for f in self._current()))

    @property
    def quota(self) -> dict[str, int]:
        """The limits, by metric."""
        return {metric: limit for f in self._current() for metric, limit in f.quota.items()}

    @property
    def empty_logs(self) -> bool:
        """Whether log entries are withheld."""
        return any(f.empty_logs for f in self._current())

    def mark(self, of: Literal["denied", "disabled", "quota", "empty_logs"], name: str = "") -> None:
        """Record that something missing took effect; `name` is the permission, service or metric."""
        for fault in self._current():
            has = getattr(fault, of)
            if has is True or (has and name in has):
                fault.hit.set()

    def _current(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def _due(self, fits: Callable[[Fault], bool]) -> Iterator[Fault]:
        for fault in self._current():
            with self._lock:
                if not fits(fault) or fault.times == 0:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
            fault.hit.set()
            yield fault


def spoil(faults: Faults, fault: Fault | None, waiting: Callable[[], bool], drop: Callable[[], None]) -> None:
    """Apply a fault to a call; `waiting` returns whether the caller still waits, `drop` cuts its connection.

    Raises:
        RefusedError: the answer to the call.
    """
    if fault is None:
        return
    if fault.seconds:
        faults.wait(fault, lambda: not (waiting() or fault.late), fault.seconds)
    if fault.silence:
        faults.wait(fault, lambda: not waiting())
        raise RefusedError(CANCELLED, "nobody waits for this answer")
    if fault.reset:
        drop()
        raise RefusedError(INTERNAL, "the connection was dropped")
    if fault.code is not None:
        raise RefusedError(fault.code, fault.message)


def _fault(item: Any) -> Fault:
    if not isinstance(item, dict):
        raise ValueError(f"a fault is an object, not {item!r}")  # noqa: TRY004  # bad JSON, not a bug
    known = {f.name for f in fields(Fault) if f.init}
    if unknown := sorted(set(item) - known):
        raise ValueError(f"no fault has {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    values = dict(item)
    for name in ("denied", "disabled"):
        if name in values:
            values[name] = frozenset(values[name])
    for name in ("error", "partial"):
        if values.get(name) is not None:
            code, text = values[name]
            values[name] = (int(code), str(text))
    return Fault(**values)
