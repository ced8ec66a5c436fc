"""Ask a predictor for the recorded inputs again, and find every stage that differs, each from its recorded input.

Where a stage differs, the pipeline goes on with what was recorded for it. So the stages after it get the input that
they had in training, and differ only if they themselves do. Of inputs whose numbers were not all kept, only the first
stage that differs is told.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.golden.stages import compare
from seatrial.golden.stages.values import Part, parts, replaced
from seatrial.golden.stages.watch import Call, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.golden.stages.pictures import Album
    from seatrial.golden.stages.pipeline import Pipeline
    from seatrial.golden.stages.store import Recorded

_TOGETHER = 4  # inputs that are predicted in one batch, to see whether the answer depends on it


class Replay:
    """The stages of a predictor now, beside those that were recorded."""

    def __init__(self, pipeline: Pipeline, recorded: Recorded, album: Album | None = None) -> None:
        """`album` gets a picture of each stage that differs, of the inputs that keep all numbers."""
        self._pipeline = pipeline
        self._recorded = recorded
        self._album = album
        self._prepared: list[Any] = []  # inputs of the model, as long as one batch can hold them
        self.compared = 0  # stages of all inputs

    def input(self, number: int, given: Any) -> list[dict[str, Any]]:
        """Return how the stages of an input differ, in their order."""
        was = self._recorded.inputs[number]["stages"]
        calls, values = self._run(given)
        pairs = aligned([stage["name"] for stage in was], [call.name for call in calls])
        self.compared += len(pairs)
        found = [self._differs(was, calls, pair, values[pair.now]) for pair in pairs]
        told = [each for each in found if each]
        if not told or any(part["kept"] == "samples" for stage in was for part in stage["parts"]):
            return told[:1]
        return self._from_recorded(given, was, pairs)

    def unstable(self, given: Any) -> str:
        """Return the first stage that differs between two runs of the same input; "" if none does."""
        (calls, first), (_, second) = self._run(given), self._run(given)
        for call, one, other in zip(calls, first, second):  # noqa: B905
            if [part.digest for part in one] != [part.digest for part in other]:
                return call.name
        return ""

    def depends_on_batch(self) -> float | None:
        """Return by how much outputs differ alone and in a batch; None if there is no batch to try."""
        alike = [each for each in self._prepared if each.shape == self._prepared[0].shape][:_TOGETHER]
        if len(alike) < 2:
            return None
        stack = np.stack if isinstance(alike[0], np.ndarray) else __import__("torch").stack
        together = self._pipeline.predictor.predict(stack(alike))
        most = 0.0
        for row, one in zip(together, alike):  # noqa: B905
            alone = self._pipeline.predictor.predict(one[None])[0]
            for a, b in zip(parts(row), parts(alone)):  # noqa: B905
                steps = np.abs(np.asarray(a.array, np.float64) - np.asarray(b.array, np.float64))
                most = max(most, float(steps.max()) if steps.size else 0.0)
        return most

    def _run(self, given: Any) -> tuple[list[Call], list[list[Part]]]:
        calls: list[Call] = []
        values: list[list[Part]] = []

        def seen(call: Call, value: Any) -> Any:
            calls.append(call)
            values.append([_own(part) for part in parts(value)])
            if call.name == "preprocess" and hasattr(value, "shape") and len(self._prepared) < _TOGETHER:
                self._prepared.append(value)
            return value

        with Watch(seen) as watch:
            self._pipeline.ask(given, watch)
        return calls, values

    def _from_recorded(
        self, given: Any, was: Sequence[Mapping[str, Any]], pairs: Sequence[Pair]
    ) -> list[dict[str, Any]]:
        """Run it again, and go on with the recorded value after each stage that differs."""
        told: list[dict[str, Any]] = []
        calls: list[Call] = []
        by_place = {pair.now: pair for pair in pairs}

        def seen(call: Call, value: Any) -> Any:
            calls.append(call)
            pair = by_place.get(len(calls) - 1)
            difference = pair and self._differs(was, calls, pair, parts(value))
            if not pair or not difference:
                return value
            told.append({**difference, **self._drawn(was[pair.was], difference["part"], parts(value))})
            return replaced(value, self._parts(was[pair.was]))

        with Watch(seen) as watch:
            try:
                self._pipeline.ask(given, watch)
            except Exception as error:  # noqa: BLE001 - a step that cannot take what training's could
                last = told[-1] if told else {}
                last["then"] = f"{type(error).__name__}: {error}"[:300]
        return told

    def _drawn(self, stage: Mapping[str, Any], path: str, now: Sequence[Part]) -> dict[str, Any]:
        """Draw the part of a stage that differs most."""
        before = next((self._recorded.array(part) for part in stage["parts"] if part["path"] == path), None)
        after = next((part.array for part in now if part.path == path or len(now) == 1), None)
        if self._album is None or before is None or after is None:
            return {}
        return self._album.add(stage["name"], before, after)

    def _parts(self, stage: Mapping[str, Any]) -> dict[str, Part]:
        found = {}
        for part in stage["parts"]:
            array = self._recorded.array(part)
            if array is not None:
                found[part["path"]] = Part(part["path"], part["kind"], array, part["dtype"], part.get("mode", ""))
        return found

    def _differs(
        self, was: Sequence[Mapping[str, Any]], calls: Sequence[Call], pair: Pair, now: Sequence[Part]
    ) -> dict[str, Any]:
        """Return how a stage differs; {} if it is equal."""
        stage, call = was[pair.was], calls[pair.now]
        by_path = {part.path: part for part in now}
        found: list[tuple[str, dict[str, Any]]] = []
        for part in stage["parts"]:
            other = by_path.get(part["path"])
            if other is None and len(stage["parts"]) == len(now) == 1:
                other = now[0]  # what stood in a dictionary or list and now stands alone, or the other way round
            difference = compare.difference(self._recorded, part, other)
            if difference is not None:
                found.append((part["path"], difference))
        if not found:
            return {}
        path, worst = max(found, key=lambda each: _weight(each[1]))
        kind, dtype = next((part["kind"], part["dtype"]) for part in stage["parts"] if part["path"] == path)
        return {
            **worst,
            "part": path,
            "kind": kind,
            "type": dtype,
            "name": [stage["name"], call.name],
            "phase": stage["phase"],
            "detail": [stage.get("detail", ""), call.detail],
            "training": [stage.get("training"), call.training],
            "replaced": [[was[n]["name"] for n in pair.instead_of], [calls[n].name for n in pair.instead]],
            "ranking": self._ranking(stage, now),
        }

    def _ranking(self, stage: Mapping[str, Any], now: Sequence[Part]) -> str:
        if stage["phase"] != "output" or len(stage["parts"]) != 1 or len(now) != 1:
            return ""
        array = self._recorded.array(stage["parts"][0])
        return "" if array is None else compare.ranking(array, now[0].array)


class Pair:
    """A recorded stage and the one that does its work now, by their places.

    `instead_of` are recorded stages, and `instead` stages of now, that have no counterpart and stand before or at it.
    """

    def __init__(self, was: int, now: int, instead_of: Sequence[int] = (), instead: Sequence[int] = ()) -> None:
        self.was = was
        self.now = now
        self.instead_of = instead_of
        self.instead = instead


def aligned(was: Sequence[str], now: Sequence[str]) -> list[Pair]:
    """Pair the stages of two pipelines by their names; of stages that replace others, the last of both."""
    found: list[Pair] = []
    missing: tuple[range, range] = (range(0), range(0))
    for kind, a, b, c, d in difflib.SequenceMatcher(None, list(was), list(now), autojunk=False).get_opcodes():
        if kind == "equal":
            found += [Pair(a + n, c + n, *(missing if n == 0 else ())) for n in range(b - a)]
            missing = (range(0), range(0))
        elif kind == "replace":
            found.append(Pair(b - 1, d - 1, range(a, b), range(c, d)))
        else:
            missing = (range(a, b), range(c, d))
    return found


def _own(part: Part) -> Part:
    """Return a part with a memory of its own, which a later stage does not change."""
    return Part(part.path, part.kind, np.array(part.array), part.dtype, part.mode)


def _weight(difference: Mapping[str, Any]) -> float:
    largest = difference.get("largest", np.inf)
    return float("inf") if largest is None else float(largest)
