"""What a comparison of two locks has shown: for a sentence, for tables and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from seatrial.trial.comparison.answers import Answers
from seatrial.trial.comparison.locks import Change
from seatrial.trial.comparison.speed import Speed, judged
from seatrial.trial.stages import Compared

_NAMED = 4  # changes in a sentence; an update of torch brings twenty


@dataclass(slots=True)
class Side:
    """One of the locks.

    Attributes:
        name: what it is called.
        size: bytes of everything that it installs; `sizes` are those of each distribution.
        load: seconds from the start of the server until it is healthy.
        rate: predictions a second, of one input at a time.
    """

    name: str
    size: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    load: Speed = field(default_factory=Speed)
    rate: Speed = field(default_factory=Speed)


@dataclass(slots=True)
class Comparison:
    """What the second lock changes.

    Attributes:
        sides: the two locks.
        changed: what is pinned differently.
        inputs: how many both were asked; `samples` is whether these are no golden inputs.
        stages: what the replay has shown.
        answers: what the servers answered.
    """

    sides: tuple[Side, Side]
    changed: Sequence[Change]
    inputs: int = 0
    samples: bool = False
    stages: Compared = field(default_factory=Compared)
    answers: Answers = field(default_factory=Answers)

    @property
    def names(self) -> tuple[str, str]:
        """What the locks are called."""
        return self.sides[0].name, self.sides[1].name

    @property
    def unproven(self) -> list[str]:
        """What equal answers do not show, in words."""
        found = []
        if self.inputs and self.samples:
            found.append("that golden answers stay: there are none, so small sample images were asked")
        if self.inputs and not self.stages.stages:
            found.append("that all stages before the answers are equal: they could not be compared")
        if self.answers.unsteady:
            many = f"{self.answers.unsteady} inputs, which {self.names[0]} itself answers differently each time"
            found.append(f"equal answers to {many}")
        return found

    def proof(self) -> str:
        """Say that nothing differs, and what that rests on."""
        before, now = self.names
        if not self.changed:
            return f"{before} and {now} pin the same distributions, so nothing was run"
        kind = "sample images" if self.samples else "golden inputs"
        parts = [f"{now} answers {self.inputs} {kind} as {before} does", *self._largest()]
        return " · ".join(parts)

    def tail(self) -> list[str]:
        """Say what changes besides, whatever the verdict is."""
        if not self.changed:
            return []
        names = [str(change) for change in sorted(self.changed, key=lambda each: not each.computes)[:_NAMED]]
        more = len(self.changed) - len(names)
        words = [", ".join(names) + (f" and {more} more" if more else "")]
        if self.inputs:
            words += [f"{what}: {before} → {now} ({change})" for what, before, now, change in self._numbers()]
        return words + [f"NOT proven: {text}" for text in self.unproven]

    def tables(self) -> list[dict[str, Any]]:
        """Return tables with a title, a head and rows, for people."""
        if not self.changed:
            return []
        names = self.names
        pins = [[each.name, each.before or "—", each.now or "—", self._grown(each)] for each in self.changed]
        found = [{"title": "Distributions", "head": ["distribution", *names, "installed size"], "rows": pins}]
        if self.inputs:
            rows = [*self._numbers(noise=True), *self._compared()]
            found.append({"title": "What changes", "head": ["", *names, "difference"], "rows": rows})
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "locks": [
                {"name": s.name, "size": s.size, "load_seconds": s.load.as_dict(), "predictions": s.rate.as_dict()}
                for s in self.sides
            ],
            "changed": [asdict(change) for change in self.changed],
            "inputs": self.inputs,
            "samples": self.samples,
            "stages": asdict(self.stages),
            "answers": asdict(self.answers),
            "unproven": self.unproven,
        }

    def _largest(self) -> Iterator[str]:
        if words := self.stages.words():
            yield words
        if self.answers.compared:
            yield f"numbers of answers within {self.answers.largest:.1g} (allowed {self.answers.allowed:.1g})"

    def _numbers(self, *, noise: bool = False) -> Iterator[tuple[str, str, str, str]]:
        before, now = self.sides
        grown = _megabytes(now.size - before.size, sign=True)
        yield "installed size", _megabytes(before.size), _megabytes(now.size), grown
        for what, unit, was, new in (
            ("load time", " s", before.load, now.load),
            ("predictions a second", "", before.rate, now.rate),
        ):
            if was.runs and new.runs:
                shown = [each.words(unit) if noise else f"{each.median:.3g}{unit}" for each in (was, new)]
                yield what, shown[0], shown[1], judged(was, new)

    def _compared(self) -> Iterator[tuple[str, str, str, str]]:
        stages, answers = self.stages, self.answers
        if stages.stages:
            yield "stages", f"{stages.stages} recorded", f"{stages.stages} compared", _difference(stages.largest)
        words = f"{answers.differing} differ, by {answers.largest:.2g} at most" if answers.differing else ""
        yield "answers", f"{self.inputs}", f"{self.inputs}", words or _difference(answers.largest)

    def _grown(self, change: Change) -> str:
        was, now = (side.sizes.get(change.name, 0) for side in self.sides)
        return f"{_megabytes(was) if was else '—'} → {_megabytes(now) if now else '—'}"


def _megabytes(size: int, *, sign: bool = False) -> str:
    return f"{size / 1e6:+,.1f} MB" if sign else f"{size / 1e6:,.1f} MB"


def _difference(largest: float) -> str:
    return f"{largest:.2g} at most" if largest else "none"
