"""The whole deploy in this process: its stages against a real control plane, whose models are functions of a test.

Wire, records, faults, REST services and log are the emulator's own; only processes and the bundle are left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.deploy.candidate import Candidate
from seatrial.deploy.deployment import Artifact, Deployment
from seatrial.deploy.progress import Progress
from seatrial.deploy.record import record_of
from seatrial.deploy.resources import Resources
from seatrial.deploy.rollback import rollback
from seatrial.deploy.vertex import endpoints, versions
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.platform import VertexPlatform
from seatrial.deploy.vertex.target import Limits, Target
from seatrial.emulator.api.control_plane import PROJECT_NUMBER, Answer, Caller, ControlPlane
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import Placement, Reply
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.api.state import Message
from seatrial.emulator.wire import grpc_server
from seatrial.emulator.wire.other_apis import OtherApis
from seatrial.emulator.wire.rest_server import RestServer, Services
from seatrial.emulator.wire.transcoding import Rest, Result
from seatrial.errors import ExitCode, SeatrialError, StillRunningError
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Severity, Stage, Step
from seatrial.project import Project
from seatrial.rules.deployment.surroundings import SURROUNDINGS
from tests.deploy.golden_project import right

NAME = "halves"  # of model and endpoint
_SOON = 5.0  # seconds in which every operation ends that no fault holds up


class Hosted:
    """A hosting that starts nothing, answers as training did, and knows what should be running."""

    def __init__(self, logs: Logs) -> None:
        self.running: set[tuple[str, str]] = set()
        self.logged: tuple[str, ...] = ()  # what a container writes when it starts
        self._logs = logs

    def prepare(self, placement: Placement) -> None:
        pass

    def fetch(self, placement: Placement) -> None:
        for line in self.logged:
            self._logs.write(placement, line)

    def start(self, placement: Placement) -> None:
        self.running.add((placement.endpoint_id, placement.deployed_model_id))

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:  # noqa: ARG002
        predictions = right(json.loads(body)["instances"])
        return Reply(200, "application/json", json.dumps({"predictions": predictions}).encode())

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:
        self.running.discard((endpoint_id, deployed_model_id))

    def close(self) -> None:
        pass


class Recording(ControlPlane):
    """A control plane that keeps what it was asked, and lets a test act just before some call.

    With `patient` an operation that is asked for has ended, so that every deploy sends the same calls.
    """

    def __init__(self, state: Path, hosting: Hosted) -> None:
        super().__init__(state, hosting)
        self.asked: list[tuple[str, Message]] = []
        self.patient = True
        self.before: Callable[[str], None] = lambda _: None

    def call(self, method: str, request: Message, caller: Caller) -> Answer:
        self.before(method)
        self.asked.append((method, request))
        if method == "GetOperation" and self.patient:
            self.operations.wait(request.name, _SOON)
        return super().call(method, request, caller)

    def sent(self, method: str) -> int:
        """Return how often an RPC was sent."""
        return sum(each == method for each, _ in self.asked)


@dataclass
class RestFault:
    """What becomes of requests to a REST service: a status, silence, or a connection that is cut."""

    path: str
    status: int = 0
    silence: bool = False
    reset: bool = False
    times: int | None = None
    hit: bool = False


class Around(Services):
    """The REST services, spoiled as a test says."""

    def __init__(self, plane: ControlPlane, logs: Logs) -> None:
        super().__init__(Rest(plane), logs, OtherApis(PROJECT_NUMBER, plane.faults), plane.faults, dict)
        self.fault: RestFault | None = None
        self.ended = threading.Event()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes, caller: Caller) -> Result:
        fault = self.fault
        if fault is not None and fault.path in target and fault.times != 0:
            fault.hit = True
            fault.times = None if fault.times is None else fault.times - 1
            if fault.silence:
                self.ended.wait(60)
            if fault.reset:
                caller.drop()
            if fault.status:
                return fault.status, {"Content-Type": "text/html"}, b"<html>upstream</html>"
        return super().answer(method, target, headers, body, caller)


@dataclass(frozen=True)
class Ended:
    """How a deploy ended, as the command would."""

    code: int
    status: str
    findings: tuple[Finding, ...]
    steps: tuple[str, ...]
    message: str = ""

    @property
    def codes(self) -> set[str]:
        """The codes of all findings of level error."""
        return {finding.code for finding in self.errors}

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    def __str__(self) -> str:
        told = [f"{each.code} {each.message}" for each in self.findings]
        return "\n".join([f"exit {self.code}, {self.status} {self.message}", *told, *self.steps[-12:]])


@dataclass(frozen=True)
class State:
    """What the server holds, without times and etags; `running` are the servers that are paid for."""

    versions: dict[str, tuple[str, ...]]
    split: dict[str, int]
    record: str | None
    running: frozenset[tuple[str, str]]
    operations: tuple[str, ...]
    endpoints: tuple[str, ...]


NOTHING = State({}, {}, None, frozenset(), (), ())


@dataclass
class World:
    """A control plane in this process, and the means to deploy to it and to look at it."""

    plane: Recording
    around: Around
    hosting: Hosted
    target: Target

    @property
    def faults(self) -> Faults:
        return self.plane.faults

    def deploy(self, project: Project | Gathered, number: int, limits: Limits) -> Ended:
        """Deploy the version that stands for a number. A trial's facts may be given for the project."""
        gathered = project if isinstance(project, Gathered) else Gathered(project)
        return self._run(gathered, limits, lambda resources: Deployment(resources, candidate(number), _provide).run())

    def roll_back(self, project: Project, limits: Limits) -> Ended:
        return self._run(Gathered(project), limits, rollback)

    def state(self) -> State:
        """Read everything, with no fault in the way."""
        with Vertex(self.target) as vertex:
            known = versions.listing(vertex, NAME)
            found = [endpoints.find(vertex, name) for name in (NAME, f"{NAME}-staging")]
            names = [f"models/{NAME}", f"endpoints/{NAME}", f"endpoints/{NAME}-staging"]
            resources = [f"{self.target.parent}/{name}" for name in names]
            under_way = [each.name for name in resources for each in vertex.operations(name)]
        endpoint = found[0]
        split = dict(endpoint.traffic_split) if endpoint else {}
        record = record_of(endpoint) if endpoint else None
        deployed = {
            (each.name.rpartition("/")[2], model.id) for each in found if each for model in each.deployed_models
        }
        assert under_way or deployed == self.hosting.running, "records and servers differ"
        return State(
            versions={each.id: tuple(sorted(each.aliases)) for each in known},
            split={key: share for key, share in split.items() if share},
            record=record.rollout if record else None,
            running=frozenset(self.hosting.running),
            operations=tuple(under_way),
            endpoints=tuple(each.name.rpartition("/")[2] for each in found if each),
        )

    def settled(self) -> State:
        """Read the state when no operation runs any more: one whose poll is refused ends a moment later."""
        until = time.monotonic() + _SOON
        while (state := self.state()).operations and time.monotonic() < until:
            time.sleep(0.05)
        return state

    def give(self, version: str, alias: str) -> None:
        """Move an alias, as somebody does by hand."""
        with Vertex(self.target) as vertex:
            versions.give(vertex, next(each for each in versions.listing(vertex, NAME) if each.id == version), alias)

    def _run(self, gathered: Gathered, limits: Limits, stage: Callable[[Resources], Stage[Any]]) -> Ended:
        progress, findings, steps = Progress(), list[Finding](), list[str]()
        with Vertex(self.target, limits) as vertex:
            try:
                for event in stage(Resources(gathered, VertexPlatform(vertex), progress)):
                    if isinstance(event, Finding):
                        findings.append(event)
                    elif isinstance(event, Step):
                        steps.append(event.text)
            except SeatrialError as error:
                status = "still-running" if isinstance(error, StillRunningError) else progress.status
                return Ended(int(error.exit_code), status, tuple(findings), tuple(steps), error.message)
        errors = {finding.code for finding in findings if finding.severity is Severity.ERROR}
        code = ExitCode.PASSED if not errors else ExitCode.FINDINGS
        if errors and errors <= SURROUNDINGS:
            code = ExitCode.ENVIRONMENT
        return Ended(int(code), progress.status, tuple(findings), tuple(steps))


def candidate(number: int) -> Candidate:
    """Return the candidate that stands for a number."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Candidate(digest, digest, "cpu", "batched")


@contextlib.contextmanager
def world(
    folder: Path, state: Path | None = None, running: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[World]:
    """Start a control plane; with `state` from a copy of that file of a stopped one, where `running` was running."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "state.db"
    if state is not None:
        file.write_bytes(state.read_bytes())
    logs = Logs(folder / "logs")
    hosting = Hosted(logs)
    hosting.running |= running
    plane = Recording(file, hosting)
    around = Around(plane, logs)
    server, rest = grpc_server.serve(plane), RestServer(around, 0)
    try:
        yield World(plane, around, hosting, Target("local", "demo", "us-central1", server.address, rest.url, "", "b"))
    finally:
        plane.faults.clear()
        around.ended.set()
        rest.stop()
        server.stop()
        plane.close()


def _provide() -> Stage[Artifact]:
    yield Step("storing")
    return "seatrial.local/bundle:0123456789abcdef", "gs://bucket/bundles/0123456789abcdef"
