"""Kills deploys at chosen calls, and says what they and those after them leave on the server.

One emulator and a few versions of one small real project serve for all: each case has names of its own for model and
endpoint, so that nothing has to be started anew.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seatrial.deploy.vertex import endpoints
from seatrial.deploy.vertex.client import Vertex
from seatrial.emulator.api.faults import Fault
from tests.conftest import ROOT
from tests.deploy.forks import Forked
from tests.deploy.rehearsal import PREDICTOR, Ended, Rehearsal, State, rehearsing

PROJECT = ROOT / "tests/projects/packaged-transform"
TIMEOUT = 300.0  # seconds for one deploy; a machine under load takes its time
MUTATING = (
    "UploadModel", "MergeVersionAliases", "DeleteModelVersion", "CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint",
    "DeployModel", "UndeployModel",
)  # fmt: skip
READING = ("GetModel", "ListModelVersions", "GetEndpoint", "ListOperations", "GetOperation", "Predict", "RawPredict")
_MANY = 1_000_000  # more calls than any deploy makes


@dataclass(frozen=True)
class At:
    """A call of a deploy: the `nth` of its method, counted from 0; before its effect, or when only the answer lacks."""

    method: str
    nth: int
    when: Literal["before", "after"] = "before"

    def __str__(self) -> str:
        return f"{self.when} {self.method} {self.nth + 1}"


@dataclass(frozen=True)
class Command:
    """A deploy of one version of the project, or another command in its folder; with `at`, it is killed there."""

    version: int
    arguments: tuple[str, ...] = ()
    at: At | None = None


@dataclass(frozen=True)
class Left:
    """What the server holds: of the model and its endpoint, of the staging endpoint, and how many servers run."""

    state: State
    staging: tuple[str, ...] | None
    servers: int


@dataclass
class Lab:
    """The emulator and the versions."""

    rehearsal: Rehearsal
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _others: int = 0

    def place(self) -> str:
        """Return a new name for a model and its endpoint."""
        return f"place-{next(self._numbers)}"

    def start(self, place: str, command: Command, folder: Path | None = None) -> Forked:
        """Start a command, in a copy of its version's folder where one is named."""
        folder = folder or self.version(command.version)
        arguments = [
            "deploy", "--target", "local", "--format", "json", "--project", str(folder), "--set", f"model={place}",
            "--set", f"endpoint={place}", *command.arguments,
        ]  # fmt: skip
        return Forked(arguments, self.rehearsal.environment, self.folder)

    def run(self, place: str, command: Command) -> Ended:
        """Run a command to its end; it is not killed."""
        return self.start(place, command).ended(TIMEOUT)

    def killed(self, place: str, command: Command, at: At) -> bool:
        """Run a command and kill it at a call; return whether it came so far."""
        faults = self.rehearsal.emulator.faults
        fault = faults.add(Fault(method=at.method, when=at.when, skip=at.nth, silence=True))
        child = self.start(place, command)
        try:
            while not fault.hit.wait(0.05):
                if not child.runs:
                    break
        finally:
            child.kill()
            faults.clear()
        return fault.hit.is_set()

    @contextlib.contextmanager
    def held_up(self, place: str, command: Command, at: At) -> Iterator[Forked]:
        """Let a command wait at a call for as long as the block runs."""
        faults = self.rehearsal.emulator.faults
        fault = faults.add(Fault(method=at.method, when=at.when, skip=at.nth, seconds=TIMEOUT))
        child = self.start(place, command)
        try:
            assert fault.hit.wait(TIMEOUT), at
            yield child
        finally:
            faults.clear()

    def prepare(self, place: str, commands: tuple[Command, ...]) -> None:
        """Run the commands that a scenario begins with."""
        for command in commands:
            if command.at is not None:
                assert self.killed(place, command, command.at), f"{command.at} was never reached"
            else:
                ended = self.run(place, command)
                assert ended.code == 0, ended.shown

    def counted(self, place: str, command: Command) -> tuple[Ended, dict[str, int]]:
        """Run a command to its end, and count its calls by method."""
        faults = self.rehearsal.emulator.faults
        counters = {method: faults.add(Fault(method=method, skip=_MANY)) for method in ("*", *MUTATING, *READING)}
        try:
            ended = self.run(place, command)
        finally:
            faults.clear()
        return ended, {method: _MANY - counter.skip for method, counter in counters.items()}

    def clear(self, place: str) -> None:
        """Undeploy what a case left: then no server runs."""
        ended = self.run(place, Command(1, ("--undeploy",)))
        assert ended.code == 0, ended.shown
        left = self.left(place)
        assert (left.state.deployed, left.state.split, left.staging, left.servers) == ((), {}, None, 0)

    def serving(self, place: str) -> list[str]:
        """Return the ids of the versions that are deployed."""
        with Vertex(self.rehearsal.target) as vertex:
            return [model.version_id for model in endpoints.get(vertex, place).deployed_models]

    def left(self, place: str) -> Left:
        """Return what there is."""
        here = Rehearsal(self.rehearsal.root, self.rehearsal.emulator, place)
        with Vertex(here.target) as vertex:
            staging = endpoints.find(vertex, f"{place}-staging")
        staged = None if staging is None else tuple(model.id for model in staging.deployed_models)
        return Left(here.state, staged, self.servers)

    @property
    def servers(self) -> int:
        """How many processes the emulator has started, beside its bucket and what a test before this left."""
        return len(list((self.rehearsal.emulator.options.state / "running").iterdir())) - self._others

    def begin(self) -> None:
        """Begin a test: what one before it left running is its own matter."""
        self._others += self.servers

    def version(self, number: int) -> Path:
        """Return the folder of a version, tried out once."""
        folder = self.folder / f"version-{number}"
        if not folder.is_dir():
            shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", "build"))
            with (folder / PREDICTOR).open("a") as file:
                file.write(f"\n# version {number}\n")
            child = Rehearsal(folder, self.rehearsal.emulator).deploy("--set", "model=trial", "--dry-run")
            assert child.code == 0, child.shown
        return folder


@contextlib.contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    """Run an emulator with all its state in a folder."""
    with rehearsing(folder, folder / "state") as rehearsal:
        yield Lab(rehearsal, folder)
