"""Judge the stages between an input and its answer: start their replay, and say which of them differ, and why.

The replay runs in an environment of its own, beside the server where there is room for two. Equality to the bit is
expected up to the model; how much its output may differ depends on the device.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import golden
from seatrial.bundle import Bundle
from seatrial.environment.store import Kept
from seatrial.findings import Finding, Phase, Stage, Step
from seatrial.golden import GoldenExample
from seatrial.golden.stages import FILES
from seatrial.project import Project
from seatrial.rules.transforms import stages as rules
from seatrial.trial import aside
from seatrial.trial.allowances import Allowances, largest_of
from seatrial.trial.aside import Aside
from seatrial.trial.failures import LOG_TAIL
from seatrial.trial.known_changes import TRAINING, Case, Reason, Sides, reason
from seatrial.trial.parity import example_name
from seatrial.trial.sealing.view import Target

_RULES = {"decode": rules.OTHER_DECODING, "transform": rules.OTHER_TRANSFORM, "output": rules.OTHER_OUTPUT}
_LARGE = 2**29  # bytes of artifacts, of which two processes at once may not have room
_MARK = "replayed "
_COMPARED = (
    "python",
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "libjpeg",
    "zlib",
    "libwebp",
    "cpu",
    "onednn",
    "threads",
    "tf32",
)
_HEAD = 16  # bytes of a file by which its format is known


@dataclass(slots=True)
class Compared:
    """What the replay has shown.

    Attributes:
        stages: how many were compared.
        largest: the largest difference, of the stage `stage`, where `allowed` is allowed.
        processors: how the processors differ, for which transforms may round differently; "" if they do not.
    """

    stages: int = 0
    largest: float = 0.0
    stage: str = ""
    allowed: float = 0.0
    processors: str = ""

    def words(self) -> str:
        """Say it in the verdict."""
        if not self.stages:
            return ""
        largest = f"{self.largest:.1g} in {self.stage} (allowed {self.allowed:.1g})" if self.largest else "0"
        others = f", on processors with other instructions ({self.processors})" if self.processors else ""
        return f"{self.stages} stages compared{others}, largest difference {largest}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is replayed.

    Attributes:
        folder: the golden folder.
        examples: its inputs.
        pictures: where pictures of what differs are put.
        sides: what the sides of the comparison are called.
    """

    folder: Path
    examples: Sequence[GoldenExample]
    pictures: Path
    sides: Sides = TRAINING

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Of the environment that recorded it, from the index, which the replay has read already."""
        index = json.loads((self.folder / FILES[0]).read_text(encoding="utf-8"))
        return index["fingerprint"]  # type: ignore[no-any-return]


def is_recorded(project: Project) -> bool:
    """Return whether training recorded stages."""
    return (project.artifacts_dir / golden.FOLDER / FILES[0]).is_file()


def of_training(project: Project, examples: Sequence[GoldenExample]) -> Recorded:
    """Return what training recorded."""
    return Recorded(project.artifacts_dir / golden.FOLDER, examples, project.build_dir / "smoke/differences")


def fits_beside(project: Project, device: str) -> bool:
    """Return whether a second process may load the model while the server runs."""
    files = (file for file in project.artifacts_dir.rglob("*") if file.is_file())
    return device == "cpu" and sum(file.stat().st_size for file in files) < _LARGE


def started(
    kept: Kept, bundle: Bundle, device: str, target: Target, folder: Path | None = None
) -> AbstractContextManager[Aside]:
    """Start the replay, which ends with the block: of the bundle's golden answers, or of those in `folder`."""
    return aside.running(kept, bundle, device, target, "replay.py", {}, [], golden=folder)


def judge(project: Project, script: Aside, device: str, recorded: Recorded, compared: Compared) -> Stage[bool]:
    """Wait for the replay and yield how stages differ; return whether they were compared."""
    yield Phase("stages")
    yield Step("asking the predictor for the recorded inputs, stage by stage")
    code, printed = script.wait()
    result = _result(printed)
    shutil.rmtree(recorded.pictures, ignore_errors=True)
    if why := result.get("stale") or result.get("failed"):
        evidence = tuple(str(result.get("traceback", "")).splitlines()[-LOG_TAIL:])
        yield rules.NOT_REPLAYED.finding(f"the recorded stages were not compared: {why}", evidence=evidence)
        return False
    if not result:
        lines = tuple(printed.splitlines()[-LOG_TAIL:])
        message = f"the recorded stages were not compared: the replay ended with exit code {code}"
        yield rules.NOT_REPLAYED.finding(message, evidence=lines)
        return False
    compared.stages = int(result["compared"])
    drawn = script.copy.folder("work") / "recorded"
    judged = _Judged(project, device, result, recorded, compared, drawn)
    yield from judged.findings()
    yield Step(f"{compared.stages} stages of {len(result['inputs'])} inputs compared")
    return True


class _Judged:
    """A replay that came to its end."""

    def __init__(
        self,
        project: Project,
        device: str,
        result: Mapping[str, Any],
        recorded: Recorded,
        compared: Compared,
        drawn: Path,
    ) -> None:
        self._project = project
        self._result = result
        self._recorded = recorded
        self._sides = recorded.sides
        self._was = recorded.fingerprint
        self._now: Mapping[str, Any] = result["fingerprint"]
        self._examples = recorded.examples
        self._allowances = Allowances(project.smoke, device, self._was, self._now)
        self._compared = compared
        self._compared.processors = self._allowances.other_processor
        self._drawn = drawn

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each stage that differs by more than it may, in the order of the stages."""
        by_stage: dict[tuple[str, str], list[tuple[int, Mapping[str, Any]]]] = {}
        for number, told in enumerate(self._result["inputs"]):
            for stage in told:
                if not self._is_allowed(stage):
                    by_stage.setdefault((stage["phase"], stage["name"][0]), []).append((number, stage))
        order = list(_RULES)
        for key in sorted(by_stage, key=lambda key: order.index(key[0])):  # sorted() keeps the order within a phase
            yield self._finding(by_stage[key])

    def _is_allowed(self, stage: Mapping[str, Any]) -> bool:
        largest, allowed = largest_of(stage), self._allowances.of(stage)
        if largest is not None and largest >= self._compared.largest:
            self._compared.largest, self._compared.stage = largest, stage["name"][1]
            self._compared.allowed = allowed
        return self._allowances.permits(stage)

    def _finding(self, told: Sequence[tuple[int, Mapping[str, Any]]]) -> Finding:
        number, stage = max(told, key=lambda each: _weight(each[1]))
        name = _name(stage)
        inputs = f"{len(told)} of {len(self._result['inputs'])} inputs"
        example = example_name(self._examples[number]) if number < len(self._examples) else f"input {number}"
        why = self._reason(number, stage)
        rule, sides = _RULES[stage["phase"]], self._sides
        return rule.finding(
            f"{name} differs from {sides.origin} for {inputs}: {_measured(stage, sides)} ({example})",
            subject=name,
            cause=why.text if why else "",
            fix=sides.fix or rule.fix,
            evidence=(*self._evidence(stage, why), *self._picture([each for _, each in told])),
        )

    def _picture(self, told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Keep the picture of the first input that has one, and say where it is."""
        for stage in told:
            file = self._drawn / str(stage.get("picture", "")).rpartition("/")[2]
            if file.suffix == ".png" and file.is_file() and not file.is_symlink():  # the predictor's process wrote it
                self._recorded.pictures.mkdir(parents=True, exist_ok=True)
                kept = Path(shutil.copy(file, self._recorded.pictures))
                sides = f"{self._sides.before}, {self._sides.now}"
                apart = f", and the difference x {stage['amplified']:.3g}" if stage.get("amplified") else ""
                yield f"picture: {kept.relative_to(self._project.root)}: {sides}{apart}"
                return

    def _reason(self, number: int, stage: Mapping[str, Any]) -> Reason | None:
        image = self._examples[number].image if number < len(self._examples) else None
        head = b""
        if image is not None:
            with (self._recorded.folder / image).open("rb") as file:
                head = file.read(_HEAD)
        return reason(Case(stage, self._was, self._now, self._result, head, self._sides))

    def _evidence(self, stage: Mapping[str, Any], why: Reason | None) -> Iterator[str]:
        was, now = stage["detail"]
        before, after = self._sides.before, self._sides.now
        if was != now:
            width = max(len(before), len(after)) + 1
            yield f"{before + ':':<{width}} {was or stage['name'][0]}"
            yield f"{after + ':':<{width}} {now or stage['name'][1]}"
        if "largest" in stage:
            yield f"largest difference: {_shown(stage['largest'])}, allowed: {self._allowances.of(stage):.2g}"
        if "then" in stage:
            yield f"with the values of {self._sides.origin}, the rest of the pipeline raised {stage['then']}"
        others = [
            f"{key} {self._was.get(key)} {before}, {self._now.get(key)} {after}"
            for key in _COMPARED
            if self._was.get(key) != self._now.get(key)
        ]
        same = f"all versions are those of {self._sides.origin}"
        yield f"versions that differ: {'; '.join(others)}" if others else same
        yield from self._changed_code()
        if why:
            yield f"see {why.source}"

    def _changed_code(self) -> Iterator[str]:
        was, now = self._was.get("code", {}), self._now.get("code", {})
        changed = sorted(path for path in was.keys() & now.keys() if was[path] != now[path])
        if changed:
            yield f"modules that changed since the recording: {', '.join(changed)}"


def _result(printed: str) -> dict[str, Any]:
    """Return the result in what the replay printed; {} if it printed none."""
    for line in reversed(printed.splitlines()):
        if line.startswith(_MARK):
            with contextlib.suppress(ValueError):
                found = json.loads(line.removeprefix(_MARK))
                return found if isinstance(found, dict) else {}
    return {}


def _name(stage: Mapping[str, Any]) -> str:
    was, now = stage["name"]
    part = f" [{stage['part']}]" if stage.get("part") else ""
    return (was if was == now else f"{was} (now {now})") + part


def _measured(stage: Mapping[str, Any], sides: Sides) -> str:
    """Say how much a stage differs, in its own units."""
    if "missing" in stage:
        return f"what it returned {sides.before} is not there"
    if "shape" in stage:
        was, now = stage["shape"]
        return f"its shape is {_shape(now)}, {sides.before} {_shape(was)}"
    if "largest" not in stage:
        key = "dtype" if "dtype" in stage else "mode"
        return f"its {'type' if key == 'dtype' else 'mode'} is {stage[key][1]}, {sides.before} {stage[key][0]}"
    unit = "levels of 255" if stage["phase"] == "decode" else f"where its largest number is {_shown(stage['span'])}"
    words = f"by {_shown(stage['largest'])} at most and {_shown(stage['mean'])} on average, {unit}; "
    words += f"{stage['share']:.1%} of its numbers"
    words += f", {stage['where']}" if stage.get("where") else ""
    return words + (f"; {stage['ranking']}" if stage.get("ranking") else "")


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _shown(number: float | None) -> str:
    return "infinity" if number is None else f"{number:.3g}"


def _weight(stage: Mapping[str, Any]) -> float:
    largest = stage.get("largest", 0.0)
    return float("inf") if largest is None else float(largest)
