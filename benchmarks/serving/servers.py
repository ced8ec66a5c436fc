"""The servers that are compared, with the settings under which each of them did best.

"Tuned" is what was best on two cores among what was tried: a process a core with one thread each instead of torch's
own number, and batches where the server can make them. Where other settings are better for few clients than for many,
a server has both, and is started once for each.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from benchmarks.serving.machine import cores
from seatrial.contract.variables import CONTRACT

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "peers"


class Kind(StrEnum):
    """How a server is started."""

    OURS = "ours"  # as the image does
    PEER = "peer"  # by its server.py, in an environment of its own lock
    LIMIT = "limit"  # no server: the same work without HTTP


@dataclass(frozen=True, slots=True)
class Server:
    """A server.

    Attributes:
        name: on the command line and in the record.
        title: in the table and the chart.
        kind: how it is started.
        folder: of benchmarks/serving/peers, for a peer.
        distribution: whose version is named.
        settings: variables for the number of clients from which they hold.
        health: its health route, if it has one of its own.
        predict: its predict route, if it has one of its own.
        predictor: what our runtime serves.
        program: a program that the machine must have.
        checkout: whose runtime is served.
    """

    name: str
    title: str
    kind: Kind
    folder: str = ""
    distribution: str = ""
    settings: Mapping[int, Mapping[str, str]] = field(default_factory=lambda: {1: {}})
    health: str = CONTRACT["AIP_HEALTH_ROUTE"]
    predict: str = CONTRACT["AIP_PREDICT_ROUTE"]
    predictor: str = ""
    program: str = ""
    checkout: Path = ROOT

    def missing(self) -> str:
        """Say what the machine lacks for it, or nothing."""
        return "" if not self.program or shutil.which(self.program) else f"{self.program} is not installed"

    def starts(self, clients: Sequence[int]) -> list[tuple[Mapping[str, str], list[int]]]:
        """Return the variables of each start, and the numbers of clients that are measured under them."""
        chosen = {number: max(least for least in self.settings if least <= number) for number in clients}
        return [
            (self.settings[least], [number for number in clients if chosen[number] == least])
            for least in sorted(set(chosen.values()))
        ]


_ONE_THREAD = {"OMP_NUM_THREADS": "1"}
_A_PROCESS_A_CORE = {"WORKERS": str(cores()), **_ONE_THREAD}
_BATCHES_OF_8 = {1: {"BATCH": "8", **_A_PROCESS_A_CORE}}

SERVERS = (
    Server("ours", "Seatrial", Kind.OURS, predictor="pictures.classifier:Classifier"),
    Server("ours-cpr", "Seatrial, a CPR class", Kind.OURS, predictor="pictures.routine:Routine"),
    Server("cpr-tuned", "CPR, tuned", Kind.PEER, "cpr", "google-cloud-aiplatform", {1: _ONE_THREAD}),
    Server("cpr", "CPR, as it comes", Kind.PEER, "cpr", "google-cloud-aiplatform"),
    # A lone client is answered faster by all cores, and many by a process a core.
    Server("fastapi", "FastAPI", Kind.PEER, "fastapi", "fastapi", {1: {"WORKERS": "1"}, 2: _A_PROCESS_A_CORE}),
    Server("litserve", "LitServe", Kind.PEER, "litserve", "litserve", _BATCHES_OF_8),
    Server(
        "torchserve", "TorchServe", Kind.PEER, "torchserve", "torchserve",
        # Batches of 8 wait for an eighth client of 8, which is busy in the other process.
        {1: {"BATCH": "4", **_A_PROCESS_A_CORE}, 16: {"BATCH": "8", **_A_PROCESS_A_CORE}},
        "/ping", "/predictions/classifier", program="java",
    ),
    Server("bentoml", "BentoML", Kind.PEER, "bentoml", "bentoml", _BATCHES_OF_8, "/readyz", "/predict"),
    Server("limit", "in-process limit", Kind.LIMIT),
)  # fmt: skip
NAMES = tuple(server.name for server in SERVERS)


def chosen(names: Sequence[str], beside: Sequence[Path]) -> list[Server]:
    """Return the servers of these names, and ours of them once more for the runtime of each other checkout."""
    servers = [server for server in SERVERS if server.name in names]
    for checkout in beside:
        servers += [
            replace(
                server,
                name=f"{server.name}@{checkout.name}",
                title=f"{server.title} ({checkout.name})",
                checkout=checkout,
            )
            for server in servers
            if server.kind is Kind.OURS and server.checkout == ROOT
        ]
    return servers
