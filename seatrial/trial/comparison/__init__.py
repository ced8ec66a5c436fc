"""`seatrial compare`: what another lock changes in decoding, transforms, outputs, answers, speed and size.

Each lock gets its environment, and in both the real server is asked the same inputs. Then every stage is recorded with
the first lock and replayed with the second. The code and the model are the project's, as they are now. What is measured
of speed is told and decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seatrial import golden
from seatrial.bundle import Bundle, build
from seatrial.environment import install, sizes, store
from seatrial.environment.store import Copy, Kept
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Phase, Stage, Step, failed, watched
from seatrial.golden.answered import examples_of
from seatrial.rules.transforms.stages import NOT_REPLAYED
from seatrial.trial import aside, observe, smoke, stages
from seatrial.trial.comparison import answers, speed
from seatrial.trial.comparison.answers import Given
from seatrial.trial.comparison.inputs import Input, inputs_of, written
from seatrial.trial.comparison.locks import FOLDER, Change, Pair, changes
from seatrial.trial.comparison.result import Comparison, Side
from seatrial.trial.failures import LOG_TAIL
from seatrial.trial.known_changes import Sides
from seatrial.trial.observe import Trial
from seatrial.trial.sealing.view import Target
from seatrial.trial.server import serve
from seatrial.trial.stages import Recorded

RUNS = 3  # of each server that are measured, after the one that is asked for answers
_NAMED = 3  # distributions in a sentence


def compare(gathered: Gathered, pair: Pair, device: str, runs: int = RUNS) -> Stage[Comparison]:
    """Compare two locks of a project on a device; `runs` is how often each server is started to be measured.

    Raises:
        UsageError: the project cannot be built, or nobody knows an input.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    project = gathered.project
    found = Comparison((Side(pair[0].name), Side(pair[1].name)), changes(pair))
    if not found.changed:
        return found
    if device == "cuda":
        smoke.require_card()
    smoke.require_class(gathered.facts.predictor)
    yield Phase("build")
    bundle = yield from build(project, device)
    if bundle is None:
        return found
    yield Phase("environments")
    kept: list[Kept] = []
    for lock, side in zip(pair, found.sides, strict=True):
        made, broken = yield from watched(smoke.keep_lock(project, lock.file, {}, shown_as=lock.name))
        if made is None or broken:
            return found
        side.sizes = sizes.of(made)
        side.size = sum(side.sizes.values())
        kept.append(made)
    comparing = _Comparing(gathered, bundle, device, found)
    yield from comparing.serve(kept, runs)
    if not comparing.broken:
        yield from comparing.replay(kept)
    return found


@dataclass(slots=True)
class _Comparing:
    """A comparison under way: what both sides are asked, and what they have answered."""

    gathered: Gathered
    bundle: Bundle
    device: str
    found: Comparison
    inputs: list[Input] = field(default_factory=list)
    given: Given = field(default_factory=Given)
    broken: bool = False

    def serve(self, kept: Sequence[Kept], runs: int) -> Stage[None]:
        """Ask both servers for answers, compare them, and start both again by turns to measure them."""
        yield Phase("servers")
        with contextlib.ExitStack() as stack:
            copies = [stack.enter_context(store.copy(each, hollow=True)) for each in kept]
            for copy in copies:
                install.install_wheels(copy, [self.bundle.predictor_wheel, self.bundle.runtime_wheel])
            for number, copy in enumerate(copies):
                into = (self.given.first, self.given.again) if number == 0 else (self.given.now,)
                yield from self._serve_once(copy, number, into)
                if self.broken:
                    return
            self.found.answers.allowed = self.gathered.project.smoke.tolerance_for(self.device)
            yield from answers.judge(self.inputs, self.given, self.found.names, self.found.answers)
            for run in range(runs):
                for number in (0, 1) if run % 2 == 0 else (1, 0):
                    yield Step(f"run {run + 1} of {runs}: {self.found.names[number]}")
                    yield from self._serve_once(copies[number], number)

    def _serve_once(self, copy: Copy, number: int, into: Sequence[list[Any]] = ()) -> Stage[None]:
        """Start a server and add its answers to lists; without one, measure it: its files are in memory by then."""
        side, trial = self.found.sides[number], Trial(self.device)
        with serve(copy, self.bundle, self.device, self._target) as server:
            yield from self._of(side, observe.load(self.gathered, server, trial))
            for answered in into:
                self._choose_inputs(trial.interface)
                yield from self._of(side, answers.ask(self.gathered, server, self.inputs, answered))
            if not into and not self.broken:
                side.load.runs.append(trial.healthy_after)
                side.rate.runs.append(speed.rate(server, [each.instance for each in self.inputs]))
            unsealed = server.unsealed()
        if unsealed:  # else the kernel refused every change of an installed file
            yield from store.settle(copy)

    @property
    def _target(self) -> Target:
        return smoke.target_of(self.gathered.project)[0]

    def _of(self, side: Side, stage: Stage[None]) -> Stage[None]:
        """Say of each finding of a server with which lock it ran; after an error nothing more is asked."""
        if self.broken:
            return
        with contextlib.closing(stage):
            for event in stage:
                if isinstance(event, Finding):
                    self.broken = self.broken or failed([event])
                    yield replace(event, message=f"with {side.name}: {event.message}")
                else:
                    yield event

    def _choose_inputs(self, interface: str) -> None:
        if self.inputs or self.broken:
            return
        project = self.gathered.project
        self.inputs = inputs_of(project, interface)
        self.found.inputs = len(self.inputs)
        self.found.samples = not golden.read(project.artifacts_dir)

    def replay(self, kept: Sequence[Kept]) -> Stage[None]:
        """Record every stage with the first lock, and replay them with the second."""
        yield Phase("record")
        before, now = (side.name for side in self.found.sides)
        yield Step(f"asking for {len(self.inputs)} inputs, stage by stage, with {before}")
        folder = self.gathered.project.build_dir / FOLDER
        shutil.rmtree(folder / golden.FOLDER, ignore_errors=True)
        if told := self._record(kept[0], folder):
            yield NOT_REPLAYED.finding(f"with {before} the stages could not be recorded", evidence=told)
            return
        examples = [each.example for each in self.inputs]
        fix = f"keep {_names(self.found.changed)} as pinned by {before}; or train and record again with {now}"
        sides = Sides(f"with {before}", f"with {now}", before, fix)
        recorded = Recorded(folder / golden.FOLDER, examples, folder / "differences", sides)
        with stages.started(kept[1], self.bundle, self.device, self._target, recorded.folder) as script:
            yield from stages.judge(self.gathered.project, script, self.device, recorded, self.found.stages)

    def _record(self, kept: Kept, folder: Path) -> tuple[str, ...]:
        """Record into `folder`; return the end of what was printed if it failed."""
        images = written(self.inputs, folder / "inputs")
        plan = {"instances": [each.instance for each in self.inputs if each.image is None]}
        with aside.running(kept, self.bundle, self.device, self._target, "record.py", plan, images) as script:
            code, printed = script.wait()
            made = script.copy.folder("work") / "recorded"
            if code != 0 or not (made / "answers.json").is_file():
                return tuple(printed.splitlines()[-LOG_TAIL:]) or (f"exit code {code}",)
            shutil.copytree(made, folder / golden.FOLDER)
        answers = json.loads((folder / golden.FOLDER / "answers.json").read_text(encoding="utf-8"))
        golden.write(folder, examples_of([tuple(each) for each in answers], None))
        return ()


def _names(changed: Sequence[Change]) -> str:
    """Name what may be to blame: what computes, if it is among what has changed."""
    names = [each.name for each in changed if each.computes] or [each.name for each in changed]
    return ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
