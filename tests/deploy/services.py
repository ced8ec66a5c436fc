"""Google's services around Vertex AI, as the emulator's own server answers for them; no deployed model runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.target import Limits, Target
from seatrial.emulator.api.control_plane import PROJECT_NUMBER, Caller, ControlPlane
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import Placement
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.wire.other_apis import OtherApis
from seatrial.emulator.wire.rest_server import RestServer, Services
from seatrial.emulator.wire.transcoding import Rest, Result
from tests.deploy.live_endpoint import Functions

PROJECT, REGION = "my-project", "us-central1"
QUICK = Limits(first=0.01, cap=0.02, attempts=2, retry=0.01, call=5.0)


class Around(Services):
    """The services, with what they were asked, and a part of a path that gets no answer before the end."""

    def __init__(self, plane: ControlPlane, logs: Logs) -> None:
        projects = OtherApis(PROJECT_NUMBER, plane.faults)
        super().__init__(Rest(plane), logs, projects, plane.faults, dict)
        self.faults: Faults = plane.faults
        self.logs = logs
        self.asked: list[str] = []
        self.silent = ""
        self.ended = threading.Event()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes, caller: Caller) -> Result:
        self.asked.append(f"{method} {urlsplit(target).path}")
        if self.silent and self.silent in target:
            self.ended.wait(30)
        return super().answer(method, target, headers, body, caller)

    def write(self, *lines: str, endpoint: str = "digits", deployed: str = "1234567890") -> None:
        """Let a container print lines."""
        for line in lines:
            placement = Placement(PROJECT_NUMBER, REGION, endpoint, deployed, v1.Model(), v1.MachineSpec())
            self.logs.write(placement, line)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[Around, Vertex]]:
    """Return the services and a client of them."""
    plane = ControlPlane(folder / "state.db", Functions({}))
    around = Around(plane, Logs(folder / "logs"))
    server = RestServer(around, 0)
    try:
        with Vertex(Target("local", PROJECT, REGION, "127.0.0.1:1", server.url), QUICK) as vertex:
            yield around, vertex
    finally:
        around.ended.set()
        server.stop()
        plane.close()
