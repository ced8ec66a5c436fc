"""Servers to hold against the contract, and short limits, so that a fault that makes one wait is seen soon."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seatrial import samples
from seatrial.contract import suite
from seatrial.contract.client import Limits, Target
from seatrial.contract.suite import Asked, Result
from seatrial.findings import Finding, Stage

from .server import made

INSTANCES = [instance for _, instance in samples.instances()][:1]
SHORT = Limits(
    health=2.0, answer=4.0, refusal=2.0, quick=0.4, keep_alive=0.6, stalled=3.0, endless=6_000_000,
    load=60.0, failing=3.0, stop=5.0,
)  # fmt: skip
ROUTES = ("/v1/endpoints/1/deployedModels/1", "/v1/endpoints/1/deployedModels/1:predict")


@contextmanager
def up(*faults: str, limits: Limits = SHORT) -> Iterator[Target]:
    """Yield a server with faults that runs in this process."""
    server = made(frozenset(faults))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()

    def connect(timeout: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", server.server_port), timeout)

    try:
        yield Target(connect, "/health", "/predict", INSTANCES, limits=limits)
    finally:
        if "health-beside-idle" not in faults:  # that one waits for its clients
            server.shutdown()
        server.server_close()


def asked(limits: Limits = SHORT) -> Asked:
    return Asked(*ROUTES, INSTANCES, limits=limits)


def command(*faults: str) -> list[str]:
    return [sys.executable, "-m", "tests.contract.server", *faults]


def ended(stage: Stage[list[Result]]) -> tuple[dict[str, Result], list[Finding]]:
    """Run a stage to its end; return its results by name, and its findings."""
    findings: list[Finding] = []
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            return {result.check.name: result for result in end.value}, findings
        if isinstance(event, Finding):
            findings.append(event)


def only(names: Sequence[str], target: Target) -> tuple[dict[str, Result], list[Finding]]:
    return ended(suite.prove(target, suite.chosen(names)))
