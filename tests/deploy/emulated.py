"""A control plane over real gRPC in this process, whose deployed models are nothing but their records."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.target import Limits, Target
from seatrial.emulator.api.control_plane import ControlPlane
from seatrial.emulator.api.faults import Fault, Faults
from seatrial.emulator.api.hosting import Placement, Reply
from seatrial.emulator.wire import grpc_server
from tests.emulator.small_plane import Kept

QUICK = Limits(first=0.02, cap=0.2, failures=4, call=1.0, write=1.0, attempts=4, patience=10.0, retry=0.02)


class Nothing:
    """Hosts whatever it is given, at once, and answers every prediction with the deployed model's id.

    What it stops has stopped when `may_stop` is set, which it is at first.
    """

    def __init__(self) -> None:
        self.may_stop = threading.Event()
        self.may_stop.set()

    def prepare(self, placement: Placement) -> None:
        pass

    def fetch(self, placement: Placement) -> None:
        pass

    def start(self, placement: Placement) -> None:
        pass

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:  # noqa: ARG002
        return Reply(200, "application/json", b'{"predictions": ["%s"]}' % placement.deployed_model_id.encode())

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:  # noqa: ARG002
        self.may_stop.wait(60)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Emulated:
    target: Target
    faults: Faults
    objects: Kept
    hosting: Nothing

    def vertex(self, limits: Limits = QUICK) -> Vertex:
        return Vertex(self.target, limits)

    def fault(self, method: str = "*", **what: Any) -> Fault:
        return self.faults.add(Fault(method, **what))


@contextmanager
def emulated(folder: Path) -> Iterator[Emulated]:
    objects, hosting = Kept(), Nothing()
    plane = ControlPlane(folder / "state.sqlite", hosting, objects=objects)
    server = grpc_server.serve(plane)
    try:
        yield Emulated(Target("local", "demo", "us-central1", server.address), plane.faults, objects, hosting)
    finally:
        hosting.may_stop.set()
        plane.faults.clear()
        server.stop()
        plane.close()
