from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.vertex.backoff import TRANSIENT, ambiguous, code_of, name_of
from seatrial.deploy.vertex.client import (
    Vertex,
)
from seatrial.deploy.vertex.endpoints import endpoint_of, find_or_create, get
from seatrial.deploy.vertex.messages import deployment_of
from seatrial.deploy.vertex.predictions import addressed
from seatrial.deploy.vertex.target import TARGETS, Limits, Target
from seatrial.deploy.vertex.target import vertex as on_vertex
from seatrial.emulator.api.control_plane import ControlPlane
from seatrial.emulator.wire import grpc_server
from seatrial.errors import EnvironmentFaultError
from tests import certificates
from tests.deploy.emulated import QUICK, Emulated, Nothing
from tests.deploy.vertex.resources import project, set_split, version
from tests.stages import ended

UNAVAILABLE, DENIED, UNIMPLEMENTED = 14, 7, 12
ABSENT = "projects/demo/locations/us-central1/models/absent"


def read(vertex: Vertex) -> Any:
    """Read an endpoint that is there."""
    name = f"{vertex.target.parent}/endpoints/digits"
    return vertex.read(vertex.endpoints.get_endpoint, v1.GetEndpointRequest(name=name))


@pytest.mark.parametrize(
    "fault", [*({"code": code} for code in sorted(TRANSIENT)), {"reset": True}, {"silence": True}], ids=str
)
def test_a_read_is_made_again_while_its_failure_is_transient(
    emulator: Emulated, vertex: Vertex, fault: dict[str, Any]
) -> None:
    ended(find_or_create(vertex, project(), "digits"))
    flaky = emulator.fault("GetEndpoint", times=1 if "silence" in fault else QUICK.attempts - 1, **fault)
    assert read(vertex).name.endswith("/endpoints/digits")
    assert flaky.times == 0


def test_a_read_that_never_succeeds_ends_with_the_last_error(emulator: Emulated, vertex: Vertex) -> None:
    away = emulator.fault("GetEndpoint", times=100, code=UNAVAILABLE, message="away")
    with pytest.raises(exceptions.ServiceUnavailable, match="away"):
        read(vertex)
    assert away.times == 100 - QUICK.attempts


def test_a_refused_read_is_made_once(emulator: Emulated, vertex: Vertex) -> None:
    refused = emulator.fault("GetEndpoint", times=100, code=DENIED, message="no")
    with pytest.raises(exceptions.PermissionDenied):
        read(vertex)
    assert refused.times == 99


def test_a_read_is_not_repeated_beyond_its_patience(emulator: Emulated) -> None:
    away = emulator.fault("GetEndpoint", times=100, code=UNAVAILABLE)
    limits = replace(QUICK, attempts=100, patience=0.0)
    with emulator.vertex(limits) as vertex, pytest.raises(exceptions.ServiceUnavailable):
        read(vertex)
    assert away.times == 99


def test_what_is_not_there_is_none(vertex: Vertex) -> None:
    assert read(vertex) is None
    assert vertex.read(vertex.models.get_model, v1.GetModelRequest(name=ABSENT)) is None
    assert list(vertex.pages(vertex.models.list_model_versions, v1.ListModelVersionsRequest(name=ABSENT))) == []
    assert vertex.operations(ABSENT) == []


@pytest.mark.parametrize("fault", [{"code": UNAVAILABLE}, {"reset": True}, {"silence": True}], ids=str)
def test_a_write_is_sent_once_and_its_failure_is_ambiguous(
    emulator: Emulated, vertex: Vertex, fault: dict[str, Any]
) -> None:
    lost = emulator.fault("DeleteEndpoint", times=100, **fault)
    request = v1.DeleteEndpointRequest(name=f"{vertex.target.parent}/endpoints/digits")
    with pytest.raises(exceptions.GoogleAPICallError) as failure:
        vertex.write(vertex.endpoints.delete_endpoint, request)
    assert ambiguous(failure.value)
    assert lost.times == 99


def test_a_refused_write_was_not_made(vertex: Vertex) -> None:
    request = v1.DeleteEndpointRequest(name=f"{vertex.target.parent}/endpoints/digits")
    with pytest.raises(exceptions.NotFound) as failure:
        vertex.write(vertex.endpoints.delete_endpoint, request)
    assert not ambiguous(failure.value)
    assert code_of(failure.value) == 5


def test_a_change_is_written_again_only_after_a_look(vertex: Vertex) -> None:
    events: list[str] = []

    def write() -> str:
        events.append("write")
        if len(events) < 4:
            raise exceptions.ServiceUnavailable("away")
        return "written"

    def look() -> None:
        events.append("look")

    end = ended(vertex.settle("changing", write, look))
    assert end.value == "written"
    assert events == ["write", "look", "write", "look", "write"]
    assert "changing: UNAVAILABLE; looking whether it happened" in end.steps


def test_a_change_that_was_made_is_not_written_again(vertex: Vertex) -> None:
    def write() -> str:
        raise exceptions.DeadlineExceeded("too late")

    assert ended(vertex.settle("changing", write, lambda: "found")).value == "found"


def test_a_server_that_lists_no_operations_has_none(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault("ListOperations", times=None, code=UNIMPLEMENTED)
    assert vertex.operations(ABSENT) == []


def test_running_operations_are_listed_without_those_that_ended(emulator: Emulated, vertex: Vertex) -> None:
    version(vertex)
    model = f"{vertex.target.parent}/models/digits"
    assert vertex.operations(model) == []
    assert [operation.done for operation in vertex.operations(model, running=False)] == [True]


@pytest.mark.parametrize("kind", ["dedicated", "shared", "private"])
def test_predictions_go_to_the_door_of_their_endpoint(emulator: Emulated, vertex: Vertex, kind: str) -> None:
    settings = project(endpoint_type=kind, private_projects=("demo-net",) if kind == "private" else ())
    endpoint, _ = ended(find_or_create(vertex, settings, "digits")).value
    request = deployment_of(settings, endpoint.name, version(vertex), "n1-standard-4")
    vertex.endpoints.deploy_model(request, timeout=5).result(timeout=5)
    key = request.deployed_model.id
    set_split(vertex, endpoint.name, {key: 100})
    endpoint = get(vertex, "digits")
    assert bool(endpoint.host) == (kind != "shared")
    ended(vertex.reach(endpoint.host, 10))
    client = vertex.predictions(endpoint.host)
    assert vertex.predictions(endpoint.host) is client
    body = httpbody_pb2.HttpBody(data=b"{}", content_type="application/json")
    request = v1.RawPredictRequest(endpoint=endpoint.name, http_body=body)
    answer = client.raw_predict(request, timeout=10, metadata=addressed(endpoint))
    assert json.loads(answer.data) == {"predictions": [key]}


def test_a_host_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = v1.Endpoint(dedicated_endpoint_dns=f"127.0.0.1:{port}")
    limits = replace(QUICK, heartbeat=0.1)
    with Vertex(Target("local", "demo", "us-central1", f"127.0.0.1:{port}"), limits) as vertex:
        steps = []
        server = None
        try:
            for step in vertex.reach(endpoint_of(endpoint).host, 30):
                steps.append(step)
                server = server or grpc_server.serve(ControlPlane(tmp_path / "state.sqlite", Nothing()), port)
        finally:
            if server is not None:
                server.stop()
    assert steps


def test_a_host_that_never_comes_is_named(emulator: Emulated) -> None:
    endpoint = v1.Endpoint(dedicated_endpoint_dns="https://digits.us-central1-1.prediction.invalid/")
    with (
        emulator.vertex(replace(QUICK, heartbeat=0.1)) as vertex,
        pytest.raises(EnvironmentFaultError, match=r"digits\.us-central1-1\.prediction\.invalid could not") as late,
    ):
        ended(vertex.reach(endpoint_of(endpoint).host, 0.3))
    assert "again" in late.value.fix


class Services:
    """Answers REST with given answers, and keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, str, bytes]] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                services.asked.append((self.command, self.path, body))
                status, text = services.answers.pop(0)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so in http.server
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def services() -> Iterator[Services]:
    running = Services()
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


@pytest.fixture
def rest(services: Services) -> Iterator[Callable[..., dict[str, Any]]]:
    target = Target("local", "demo", "us-central1", "127.0.0.1:1", services.url)
    with Vertex(target, QUICK) as vertex:
        yield vertex.rest


def test_another_api_is_asked_by_its_path(services: Services, rest: Callable[..., dict[str, Any]]) -> None:
    services.answers = [(200, b'{"entries": []}'), (200, b"{}")]
    assert rest("logging", "POST", "/v2/entries:list", {"filter": "a"}) == {"entries": []}
    assert rest("serviceusage", "GET", "/v1/projects/demo/services") == {}
    assert services.asked == [
        ("POST", "/v2/entries:list", b'{"filter": "a"}'),
        ("GET", "/v1/projects/demo/services", b""),
    ]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_another_api_that_is_away_for_a_moment_is_asked_again(
    services: Services, rest: Callable[..., dict[str, Any]], status: int
) -> None:
    services.answers = [(status, b"<html>try later</html>"), (200, b'{"a": 1}')]
    assert rest("logging", "GET", "/") == {"a": 1}


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (403, "PERMISSION_DENIED", exceptions.PermissionDenied),
        (400, "INVALID_ARGUMENT", exceptions.InvalidArgument),
        (400, "FAILED_PRECONDITION", exceptions.FailedPrecondition),
        (404, "NOT_FOUND", exceptions.NotFound),
        (401, "UNAUTHENTICATED", exceptions.Unauthenticated),
    ],
)
def test_another_api_s_refusal_is_the_same_error_as_over_grpc(
    services: Services, rest: Callable[..., dict[str, Any]], status: int, name: str, kind: type[Exception]
) -> None:
    error = {"error": {"code": status, "status": name, "message": "No, because."}}
    services.answers = [(status, json.dumps(error).encode())]
    with pytest.raises(kind, match="No, because") as refused:
        rest("logging", "GET", "/")
    assert name_of(code_of(refused.value)) == name
    assert len(services.asked) == 1


def test_another_api_that_cannot_be_connected_to_is_unavailable() -> None:
    target = Target("local", "demo", "us-central1", "127.0.0.1:1", "http://127.0.0.1:1")
    with Vertex(target, QUICK) as vertex, pytest.raises(exceptions.ServiceUnavailable):
        vertex.rest("logging", "GET", "/")


def test_an_answer_that_is_no_json_is_an_error(services: Services, rest: Callable[..., dict[str, Any]]) -> None:
    services.answers = [(200, b"hello")] * QUICK.attempts
    with pytest.raises(exceptions.Unknown, match="HTTP 200"):
        rest("logging", "GET", "/")


def test_a_rehearsal_is_polled_more_often_than_the_cloud() -> None:
    local = TARGETS["local"].limits
    with Vertex(Target("local", "demo", "us-central1", "127.0.0.1:1")) as vertex:
        assert vertex.limits is local
    assert (local.first, local.cap) == (0.2, 2.0)
    assert (Limits().first, Limits().cap, Limits().call) == (2.0, 20.0, 30.0)


def test_without_an_identity_the_cloud_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(EnvironmentFaultError, match="no identity") as missing:
        Vertex(on_vertex("demo", "us-central1"))
    assert "gcloud auth application-default login" in missing.value.fix


_ASK = """
import sys
from google.cloud import aiplatform_v1 as v1
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.target import Target
request = v1.GetModelRequest(name="projects/demo/locations/us-central1/models/m")
with Vertex(Target("vertex", "demo", "us-central1", sys.argv[1])) as vertex:
    print(vertex.read(vertex.models.get_model, request, timeout=10).display_name)
"""


def test_on_google_cloud_calls_are_encrypted_and_carry_the_identity(tmp_path: Path, services: Services) -> None:
    """Credentials and certificate are of this test's making; the rest is what runs on Google Cloud."""
    certificate, key = certificates.make(tmp_path, "localhost")
    identity = {
        "type": "service_account",
        "client_email": "deployer@demo.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.read_text(),
        "token_uri": f"{services.url}/token",
    }
    (tmp_path / "identity.json").write_text(json.dumps(identity))
    services.answers = [(200, b'{"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}')]
    seen: list[str] = []

    def get_model(_: bytes, context: Any) -> bytes:
        seen.append(dict(context.invocation_metadata())["authorization"])
        return bytes(v1.Model.serialize(v1.Model(display_name="it answered")))

    methods = {"GetModel": grpc.unary_unary_rpc_method_handler(get_model)}
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.method_handlers_generic_handler("google.cloud.aiplatform.v1.ModelService", methods)
    server.add_generic_rpc_handlers((handler,))
    pair = (key.read_bytes(), certificate.read_bytes())
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        environment = {
            **os.environ,
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate),
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "identity.json"),
        }
        command = [sys.executable, "-W", "error", "-c", _ASK, f"localhost:{port}"]
        asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.stop(grace=0).wait()
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip() == "it answered"
    assert len(seen) == 1
    assert seen[0].startswith("Bearer ")


def test_closing_ends_every_connection(emulator: Emulated) -> None:
    vertex = emulator.vertex()
    with vertex:
        assert read(vertex) is None
    with pytest.raises(ValueError, match="closed channel"):
        read(vertex)
