"""`seatrial deploy` as its users run it: a child process, on a small real project, against a running emulator."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.deploy.record import record_of
from seatrial.deploy.vertex import endpoints, versions
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.target import Target
from seatrial.emulator.server import Emulator, Options
from tests.conftest import ROOT

PREDICTOR = "predictor/half_predictor.py"
TIMEOUT = 300.0  # seconds for one deploy; a machine under load takes its time


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, the JSON that it printed, and what it showed."""

    code: int
    report: dict[str, Any]
    shown: str

    @property
    def status(self) -> str:
        return str(self.report.get("status", self.report.get("message")))

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.report.get("findings", []) if finding["severity"] == "error"]


@dataclass(frozen=True)
class State:
    """What the server holds of a project's model and endpoint, without times and etags."""

    versions: dict[str, tuple[str, ...]]
    deployed: tuple[str, ...]
    split: dict[str, int]
    record: str | None
    running: int


@dataclass
class Rehearsal:
    """A project and the emulator that it is deployed to."""

    root: Path
    emulator: Emulator
    name: str = "halves"

    def command(self, *arguments: str, of: Sequence[str] = ("deploy",)) -> list[str]:
        return [
            sys.executable, "-m", "seatrial", *of, "--target", "local", "--format", "json",
            "--project", str(self.root), *arguments,
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SEATRIAL_EMULATOR": self.emulator.rest_url.removeprefix("http://")}

    def start(self, *arguments: str, of: Sequence[str] = ("deploy",)) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments, of=of),
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def deploy(self, *arguments: str) -> Ended:
        return ended(self.start(*arguments))

    def ask_again(self, *arguments: str) -> Ended:
        """Ask what serves whether it answers as it was proven."""
        return ended(self.start(*arguments, of=("compare", "--live")))

    def change(self, note: str) -> None:
        """Make another version of the same behaviour."""
        with (self.root / PREDICTOR).open("a") as file:
            file.write(f"\n# {note}\n")

    def edit(self, old: str, new: str) -> None:
        """Change the predictor's code."""
        file = self.root / PREDICTOR
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    @property
    def state(self) -> State:
        with Vertex(self.target) as vertex:
            known = versions.listing(vertex, self.name)
            endpoint = endpoints.find(vertex, self.name)
            resources = [f"{self.target.parent}/{kind}/{self.name}" for kind in ("models", "endpoints")]
            running = sum(len(vertex.operations(resource)) for resource in resources)
        record = record_of(endpoint) if endpoint else None
        return State(
            versions={each.id: tuple(sorted(each.aliases)) for each in known},
            deployed=tuple(sorted(model.id for model in endpoint.deployed_models)) if endpoint else (),
            split={key: share for key, share in dict(endpoint.traffic_split).items() if share} if endpoint else {},
            record=record.rollout if record else None,
            running=running,
        )

    @property
    def target(self) -> Target:
        emulator = self.emulator
        return Target(
            "local", "local-rehearsal", "us-central1", emulator.grpc_address, emulator.rest_url, emulator.storage_url,
            emulator.bucket,
        )  # fmt: skip


def ended(child: subprocess.Popen[str]) -> Ended:
    """Wait for a deploy; it must end by itself."""
    try:
        printed, shown = child.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        raise AssertionError(f"a deploy did not end: {child.communicate()[1]}") from None
    assert "Traceback (most recent call last)" not in shown, shown
    return Ended(child.returncode, json.loads(printed) if printed.strip() else {}, shown)


@contextlib.contextmanager
def rehearsing(root: Path, state: Path, name: str = "halves") -> Iterator[Rehearsal]:
    """Run an emulator for the project in `root`."""
    emulator = Emulator(Options(state, probe_period=1.0))
    emulator.start()
    try:
        yield Rehearsal(root, emulator, name)
    finally:
        emulator.faults.clear()
        emulator.stop()
