"""An endpoint of the emulator's control plane over real gRPC, whose deployed models are functions of a test."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import Endpoint
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.endpoints import endpoint_of
from seatrial.deploy.vertex.platform import VertexPlatform
from seatrial.deploy.vertex.target import Target
from seatrial.emulator.api.control_plane import ControlPlane
from seatrial.emulator.api.faults import Fault
from seatrial.emulator.api.hosting import Placement, Reply
from seatrial.emulator.wire import grpc_server
from tests.deploy.golden_project import Server

FORMER, NEW, THIRD = "1111111111", "2222222222", "3333333333"
_SECONDS = 30.0  # for any operation; none of them starts anything


class Functions:
    """A hosting that starts nothing: each deployed model is a function from instances to predictions."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers

    def prepare(self, placement: Placement) -> None:
        pass

    def fetch(self, placement: Placement) -> None:
        pass

    def start(self, placement: Placement) -> None:
        pass

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:  # noqa: ARG002
        predictions = self._servers[placement.deployed_model_id](json.loads(body)["instances"])
        return Reply(200, "application/json", json.dumps({"predictions": predictions}).encode())

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:
        pass

    def close(self) -> None:
        pass


@contextlib.contextmanager
def live(
    folder: Path,
    split: Mapping[str, int],
    servers: Mapping[str, Server],
    *,
    dedicated: bool = False,
    denied: Iterable[str] = (),
) -> Iterator[tuple[VertexPlatform, Endpoint]]:
    """Deploy every server under its id, with this split, for as long as the block runs, which lacks permissions."""
    random.seed(1)  # the emulator draws by the split in this process: a test must not fail once in a thousand times
    plane = ControlPlane(folder / "emulator.sqlite", Functions(servers))
    server = grpc_server.serve(plane)
    try:
        with Vertex(Target("local", "rehearsal", "us-central1", server.address)) as vertex:
            endpoint = endpoint_of(_deployed(vertex, split, servers, dedicated))
            plane.faults.add(Fault(denied=frozenset(denied)))
            yield VertexPlatform(vertex), endpoint
    finally:
        server.stop()
        plane.close()


def _deployed(vertex: Vertex, split: Mapping[str, int], servers: Mapping[str, Server], dedicated: bool) -> v1.Endpoint:
    image = "us-central1-docker.pkg.dev/rehearsal/images/digits@sha256:" + "0" * 64
    model = v1.Model(display_name="digits", container_spec=v1.ModelContainerSpec(image_uri=image))
    parent = vertex.target.parent
    request = v1.UploadModelRequest(parent=parent, model=model)
    uploaded = vertex.models.upload_model(request=request, timeout=_SECONDS).result(_SECONDS)
    wanted = v1.Endpoint(display_name="digits", dedicated_endpoint_enabled=dedicated)
    begun = vertex.endpoints.create_endpoint(parent=parent, endpoint=wanted, timeout=_SECONDS)
    endpoint = begun.result(_SECONDS)
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    resources = v1.DedicatedResources(machine_spec=machine, min_replica_count=1, max_replica_count=1)
    for name in servers:
        model = v1.DeployedModel(id=name, model=uploaded.model, dedicated_resources=resources)
        sent = v1.DeployModelRequest(endpoint=endpoint.name, deployed_model=model)
        vertex.endpoints.deploy_model(request=sent, timeout=_SECONDS).result(_SECONDS)
    change = v1.Endpoint(name=endpoint.name, traffic_split=dict(split))
    mask = {"paths": ["traffic_split"]}
    return vertex.endpoints.update_endpoint(endpoint=change, update_mask=mask, timeout=_SECONDS)
