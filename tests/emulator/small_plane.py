"""A control plane with gRPC, REST and a hosting that answers in this process, for tests that need no real server."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from seatrial.emulator.api.control_plane import ControlPlane
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import HostingError, Placement, Reply
from seatrial.emulator.wire.grpc_server import serve
from seatrial.emulator.wire.transcoding import Rest

PARENT = "projects/demo/locations/us-central1"
NUMBERED = "projects/123456789012/locations/us-central1"
DIGEST = "a" * 64
MODEL = f"{PARENT}/models/digits"
ENDPOINT = f"{PARENT}/endpoints/digits"


class Answering:
    """A hosting whose deployed models answer each instance with the version that received it.

    A version whose image is named `…/broken` never becomes ready; the start of one named `…/slow` lasts until it is
    stopped.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.running: set[tuple[str, str]] = set()
        self.stopped = threading.Event()

    def prepare(self, placement: Placement) -> None:
        self.calls.append(("prepare", placement.deployed_model_id))

    def fetch(self, placement: Placement) -> None:
        self.calls.append(("fetch", placement.deployed_model_id))

    def start(self, placement: Placement) -> None:
        self.calls.append(("start", placement.deployed_model_id))
        self.running.add((placement.endpoint_id, placement.deployed_model_id))
        image = placement.model.container_spec.image_uri
        if image.endswith("/slow"):
            self.stopped.wait()
        if image.endswith(("/broken", "/slow")):
            raise HostingError(9, "Model server never became ready.")

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:
        assert timeout > 0
        if content_type != "application/json":
            return Reply(200, content_type, body[::-1])
        instances = json.loads(body)["instances"]
        if "bad" in instances:
            return Reply(400, "application/json", b'{"error": "instance 0 is bad"}')
        answer = {"predictions": [{"version": placement.model.version_id, "got": i} for i in instances]}
        return Reply(200, "application/json", json.dumps(answer).encode())

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:
        self.running.discard((endpoint_id, deployed_model_id))
        self.stopped.set()

    def close(self) -> None:
        self.stopped.set()


class Kept:
    """The objects of a bucket, in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def matching(self, uri: str) -> list[str]:
        found = [each for each in sorted(self.content) if fnmatch.fnmatchcase(each, uri)]
        if not found:
            raise HostingError(5, f"No object matches {uri}.")
        return found

    def read(self, uri: str) -> bytes:
        if uri not in self.content:
            raise HostingError(5, f"There is no {uri}.")
        return self.content[uri]

    def write(self, uri: str, content: bytes) -> None:
        self.content[uri] = content


class Small:
    """A running control plane; `models`, `endpoints`, `predictions` and `jobs` are Google's own clients."""

    def __init__(self, state: Path, objects: Kept | None = None) -> None:
        self.hosting = Answering()
        self.faults = Faults()
        self.objects = objects or Kept()
        self.plane = ControlPlane(state, self.hosting, self.faults, objects=self.objects)
        self.wire = serve(self.plane)
        self.rest = Rest(self.plane)
        self._channels: list[Any] = []
        channel = self.channel(self.wire.address)
        self.models = client(v1.ModelServiceClient, channel)
        self.endpoints = client(v1.EndpointServiceClient, channel)
        self.predictions = client(v1.PredictionServiceClient, channel)
        self.jobs = client(v1.JobServiceClient, channel)
        self.http = _http(self.rest)

    @property
    def url(self) -> str:
        """The address of the REST API."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def channel(self, address: str) -> Any:
        """Open a separate channel, which `close` closes."""
        # By default a channel accepts answers up to 4 MB
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 16 << 20)]
        channel = grpc.insecure_channel(address, options=options)
        self._channels.append(channel)
        return channel

    def done(self, operation: Any) -> Any:
        """Wait for an operation to end; return it."""
        request = operations_pb2.WaitOperationRequest(name=operation.operation.name)
        request.timeout.seconds = 30
        # Google's client returns the unparsed bytes of WaitOperation's answer
        return operations_pb2.Operation.FromString(self.models.wait_operation(request, timeout=40))

    def upload(self, **model: Any) -> Any:
        """Upload a version and wait for it; return UploadModelResponse."""
        parent = model.pop("parent_model", "")
        chosen = "" if parent else model.pop("model_id", "digits")
        image = model.pop("image", "seatrial.local/bundle:0123456789abcdef")
        spec = {"image_uri": image, "predict_route": "/predict", "health_route": "/health"}
        message = v1.Model(display_name=model.pop("display_name", "digits"), container_spec=spec, **model)
        request = v1.UploadModelRequest(parent=PARENT, model=message, model_id=chosen, parent_model=parent)
        return self.models.upload_model(request, timeout=10).result(timeout=20)

    def endpoint(self, endpoint_id: str = "digits", **fields: Any) -> Any:
        """Create an endpoint; return it as it is on the server."""
        message = v1.Endpoint(display_name=endpoint_id, **fields)
        request = v1.CreateEndpointRequest(parent=PARENT, endpoint=message, endpoint_id=endpoint_id)
        return self.endpoints.create_endpoint(request, timeout=10).result(timeout=20)

    def deploy(self, endpoint: str, model: str, deployed_id: str, split: dict[str, int] | None = None) -> Any:
        """Begin to deploy; return the SDK's future."""
        return self.endpoints.deploy_model(deploy_request(endpoint, model, deployed_id, split), timeout=10)

    def close(self) -> None:
        """Stop everything."""
        for channel in self._channels:
            channel.close()
        self.http.shutdown()
        self.http.server_close()
        self.wire.stop()
        self.hosting.close()
        self.plane.close()


def deploy_request(endpoint: str, model: str, deployed_id: str, split: dict[str, int] | None = None) -> Any:
    """Return a DeployModelRequest of one n1-standard-4."""
    resources = {"machine_spec": {"machine_type": "n1-standard-4"}, "min_replica_count": 1, "max_replica_count": 1}
    deployed = v1.DeployedModel(id=deployed_id, model=model, dedicated_resources=resources)
    return v1.DeployModelRequest(endpoint=endpoint, deployed_model=deployed, traffic_split=split or {})


def split_of(small: Small) -> dict[str, int]:
    return dict(small.endpoints.get_endpoint(name=ENDPOINT).traffic_split)


def deployed_ids(small: Small) -> list[str]:
    return [d.id for d in small.endpoints.get_endpoint(name=ENDPOINT).deployed_models]


def set_split(small: Small, split: dict[str, int], etag: str = "") -> v1.Endpoint:
    endpoint = v1.Endpoint(name=ENDPOINT, traffic_split=split, etag=etag)
    return small.endpoints.update_endpoint(endpoint=endpoint, update_mask={"paths": ["traffic_split"]})


def client(kind: Any, channel: Any) -> Any:
    """Make one of Google's clients over a channel."""
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


@contextmanager
def running(state: Path, objects: Kept | None = None) -> Iterator[Small]:
    """Run a control plane until the block ends."""
    small = Small(state, objects)
    try:
        yield small
    finally:
        small.close()


def _http(rest: Rest) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = rest.answer(self.command, path, query, dict(self.headers), body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
