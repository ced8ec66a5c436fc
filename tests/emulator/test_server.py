"""The emulator as one program: started, asked over gRPC and REST, killed, and restarted on the same state."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format, struct_pb2

from seatrial import project as projects
from seatrial.emulator import local
from seatrial.emulator.server import Emulator, Options, serve_forever
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.system import process
from tests.conftest import ROOT
from tests.emulator.api.test_logs import published
from tests.emulator.served import built, image_of, stored
from tests.emulator.wire import discovery

PROJECT = "tests/projects/packaged-transform"
PARENT = "projects/demo/locations/us-central1"
ENDPOINT = f"{PARENT}/endpoints/digits"
IMAGE = image_of(ROOT / PROJECT / "artifacts/golden/top.png")
Copied = Callable[[str], Path]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    running = Emulator(Options(tmp_path / "state", probe_period=0.2))
    running.start()
    yield running
    running.stop()


class Clients:
    """Vertex's clients, connected to an emulator."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        kinds = (v1.ModelServiceClient, v1.EndpointServiceClient, v1.PredictionServiceClient)
        made = [kind(transport=kind.get_transport_class("grpc")(channel=self.channel)) for kind in kinds]
        self.models, self.endpoints, self.predictions = made

    def deploy(self, model: v1.Model) -> None:
        """Upload a version, create a shared endpoint and deploy to it with all traffic."""
        model.display_name = "digits"
        upload = v1.UploadModelRequest(parent=PARENT, model=model, model_id="digits")
        self.models.upload_model(upload, timeout=10).result(20)
        endpoint = v1.Endpoint(display_name="digits")
        create = v1.CreateEndpointRequest(parent=PARENT, endpoint=endpoint, endpoint_id="digits")
        self.endpoints.create_endpoint(create, timeout=10).result(20)
        machine = v1.MachineSpec(machine_type="n1-standard-4")
        resources = v1.DedicatedResources(machine_spec=machine, min_replica_count=1)
        version = f"{PARENT}/models/digits@1"
        deployed = v1.DeployedModel(id="4711", model=version, dedicated_resources=resources)
        deploy = v1.DeployModelRequest(endpoint=ENDPOINT, deployed_model=deployed, traffic_split={"0": 100})
        self.endpoints.deploy_model(deploy, timeout=10).result(60)

    def label(self) -> str:
        """Ask for a prediction of the golden image."""
        instance = json.loads(IMAGE)["instances"][0]
        value = json_format.ParseDict(instance, struct_pb2.Value())
        answer = self.predictions.predict(endpoint=ENDPOINT, instances=[value], timeout=30)
        assert answer.deployed_model_id == "4711"
        return str(answer.predictions[0]["label"])


@contextlib.contextmanager
def clients(address: str) -> Iterator[Clients]:
    made = Clients(address)
    try:
        yield made
    finally:
        made.channel.close()


def asked(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Ask over REST; return the status and the JSON of the answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_bundle_is_deployed_predicted_logged_and_still_answers_after_a_restart(
    copied: Copied, tmp_path: Path
) -> None:
    bundle = built(copied(PROJECT))
    options = Options(tmp_path / "state", probe_period=0.2)
    first = Emulator(options)
    first.start()
    try:
        with clients(first.grpc_address) as vertex:
            vertex.deploy(stored(bundle, first.storage_url))
            assert vertex.label() == "top"
        status, answer = asked(
            first.rest_url, "POST", "/v2/entries:list",
            {"resourceNames": ["projects/demo"], "filter": 'labels.deployed_model_id="4711" severity>=INFO'},
        )  # fmt: skip
        assert status == 200
        assert "ready" in {entry["jsonPayload"]["message"] for entry in answer["entries"]}
    finally:
        first.stop()
    assert list((tmp_path / "state/running").iterdir()) == []
    second = Emulator(options)
    second.start()
    try:
        assert list((tmp_path / "state/running").iterdir()) == [tmp_path / "state/running" / str(storage_of(tmp_path))]
        with clients(second.grpc_address) as vertex:
            assert vertex.label() == "top"
        assert len(list((tmp_path / "state/running").iterdir())) == 2
    finally:
        second.stop()


def storage_of(tmp_path: Path) -> int:
    """Return the only recorded process."""
    (file,) = (tmp_path / "state/running").iterdir()
    return int(file.name)


def test_what_a_killed_emulator_left_running_is_ended_by_the_next(copied: Copied, tmp_path: Path) -> None:
    bundle = built(copied(PROJECT))
    state = tmp_path / "state"
    command = [sys.executable, "-m", "seatrial", "emulator", "--state", str(state), "--probe-period", "0.2"]
    killed = process.start(command, env=os.environ)
    try:
        addresses = first_line(killed)
        with clients(addresses["grpc"]) as vertex:
            vertex.deploy(stored(bundle, addresses["storage"]))
    finally:
        killed.send_signal(signal.SIGKILL)
        process.kill(killed)
    left = [int(file.name) for file in (state / "running").iterdir()]
    assert len(left) == 2
    again = Emulator(Options(state))
    again.start()
    try:
        assert not any(is_running(pid) for pid in left)
        with clients(again.grpc_address) as vertex:
            assert vertex.label() == "top"
    finally:
        again.stop()


def first_line(child: subprocess.Popen[str]) -> dict[str, str]:
    assert child.stdout is not None
    line = next(line for line in child.stdout if line.startswith("{"))
    found: dict[str, str] = json.loads(line)
    return found


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody waited for no longer runs, though its number is still taken.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_second_emulator_on_the_same_state_is_refused_and_leaves_the_files_of_the_first(
    emulator: Emulator, tmp_path: Path
) -> None:
    address, ready = emulator.options.state / local.ADDRESS_FILE, tmp_path / "ready.json"
    for file in (address, ready):  # as `seatrial emulator --ready-file` writes them
        file.write_text(emulator.rest_url)
    with pytest.raises(UsageError, match="another emulator uses the state"):
        serve_forever(emulator.options, None, ready, stop_on_eof=False)
    assert (address.is_file(), ready.is_file()) == (True, True)
    assert asked(emulator.rest_url, "GET", "/seatrial/emulator")[1] == emulator.addresses


@pytest.mark.parametrize("kind", ["port", pytest.param("rest_port", marks=pytest.mark.proof)])
def test_a_port_that_is_taken_is_refused_and_nothing_is_left_running(tmp_path: Path, kind: str) -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot listen"):
        Emulator(Options(tmp_path / "state", **{kind: taken.getsockname()[1]})).start()
    assert list((tmp_path / "state/running").iterdir()) == []
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.02)
    assert threading.active_count() <= before
    again = Emulator(Options(tmp_path / "state"))
    again.start()  # the folder is free again too
    again.stop()


def test_faults_added_over_http_take_away_what_the_project_has(emulator: Emulator) -> None:
    order = [
        {"denied": ["aiplatform.models.upload"]},
        {"disabled": ["aiplatform.googleapis.com"]},
        {"quota": {"custom_model_serving_cpus": 3}},
        {"empty_logs": True},
    ]
    assert asked(emulator.rest_url, "POST", "/seatrial/faults", order) == (200, {"ordered": 4})
    assert permissions(emulator) == ["aiplatform.endpoints.deploy"]
    assert state_of_service(emulator) == "DISABLED"
    assert limit(emulator) == "3"
    assert asked(emulator.rest_url, "POST", "/v2/entries:list", {"resourceNames": ["projects/demo"]}) == (200, {})
    assert asked(emulator.rest_url, "DELETE", "/seatrial/faults") == (200, {})
    assert permissions(emulator) == ["aiplatform.models.upload", "aiplatform.endpoints.deploy"]
    assert state_of_service(emulator) == "ENABLED"
    assert limit(emulator) == "-1"


def permissions(emulator: Emulator) -> list[str]:
    wanted = ["aiplatform.models.upload", "aiplatform.endpoints.deploy"]
    answer = asked(emulator.rest_url, "POST", "/v1/projects/demo:testIamPermissions", {"permissions": wanted})[1]
    found: list[str] = answer["permissions"]
    return found


def state_of_service(emulator: Emulator) -> str:
    name = "projects/demo/services/aiplatform.googleapis.com"
    answer = asked(emulator.rest_url, "GET", f"/v1/projects/demo/services:batchGet?names={name}")[1]
    return str(answer["services"][0]["state"])


def limit(emulator: Emulator) -> str:
    path = "/v1beta1/projects/demo/services/aiplatform.googleapis.com/consumerQuotaMetrics?view=BASIC"
    (metric,) = asked(emulator.rest_url, "GET", path)[1]["metrics"]
    return str(metric["consumerQuotaLimits"][0]["quotaBuckets"][0]["effectiveLimit"])


@pytest.mark.parametrize("wrong", [{"unknown": 1}, "text", {"error": 5}])
def test_an_unknown_fault_is_refused(emulator: Emulator, wrong: Any) -> None:
    assert asked(emulator.rest_url, "POST", "/seatrial/faults", wrong)[0] == 400


def test_a_missing_permission_or_api_refuses_calls_of_the_other_apis(emulator: Emulator) -> None:
    asked(emulator.rest_url, "POST", "/seatrial/faults", {"denied": ["logging.logEntries.list"]})
    status, answer = asked(emulator.rest_url, "POST", "/v2/entries:list", {"resourceNames": ["projects/demo"]})
    assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    asked(emulator.rest_url, "POST", "/seatrial/faults", {"disabled": ["cloudresourcemanager.googleapis.com"]})
    status, answer = asked(emulator.rest_url, "GET", "/v3/projects/demo")
    assert status == 403
    assert "has not been used in project" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("api", "method", "path", "schema"),
    [
        ("cloudresourcemanager.v3", "GET", "/v3/projects/demo", "Project"),
        ("cloudresourcemanager.v3", "POST", "/v3/projects/demo:testIamPermissions", "TestIamPermissionsResponse"),
        ("iam.v1", "POST", "/v1/projects/-/serviceAccounts/a@b.c:testIamPermissions", "TestIamPermissionsResponse"),
        (
            "serviceusage.v1", "GET", "/v1/projects/demo/services:batchGet?names=projects/demo/services/a",
            "BatchGetServicesResponse",
        ),
        (
            "serviceusage.v1beta1", "GET",
            "/v1beta1/projects/demo/services/aiplatform.googleapis.com/consumerQuotaMetrics",
            "ListConsumerQuotaMetricsResponse",
        ),
        ("artifactregistry.v1", "GET", "/v1/projects/demo/locations/us-central1/repositories/r", "Repository"),
    ],
)  # fmt: skip
def test_answers_follow_googles_discovery_documents(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, api: str, method: str, path: str, schema: str
) -> None:
    published(monkeypatch, api)
    body = {"permissions": ["a.b.c"]} if method == "POST" else None
    status, answer = asked(emulator.rest_url, method, path, body)
    assert status == 200
    assert answer != {}
    assert discovery.problems(answer, schema) == []


def test_requests_of_a_web_page_and_lengths_that_are_no_number_are_refused(emulator: Emulator) -> None:
    for headers in ({"Origin": "https://example.com"}, {"Host": "example.com"}):
        assert asked(emulator.rest_url, "POST", "/seatrial/faults", [], **headers)[0] == 403
    host, _, port = emulator.rest_url.removeprefix("http://").rpartition(":")
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request("GET", "/seatrial/emulator", headers={"Content-Length": "²"})
        assert connection.getresponse().status == 411


def test_a_reset_fault_cuts_the_connection_over_rest(emulator: Emulator) -> None:
    asked(emulator.rest_url, "POST", "/seatrial/faults", {"method": "ListModels", "reset": True})
    with pytest.raises(ConnectionError):
        asked(emulator.rest_url, "GET", f"/v1/{PARENT}/models")
    assert asked(emulator.rest_url, "GET", f"/v1/{PARENT}/models")[0] == 200


@pytest.fixture
def project(copied: Copied) -> projects.Project:
    return projects.load(copied(PROJECT))


def test_a_rehearsal_starts_an_emulator_of_its_own_and_ends_it(
    project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(local.VARIABLE, raising=False)
    with local.running(project) as target:
        assert (target.name, target.region, target.bucket) == ("local", "us-central1", "seatrial-local")
        with clients(target.api) as vertex:
            assert list(vertex.models.list_models(parent=target.parent, timeout=10)) == []
        assert asked(str(target.services), "GET", "/seatrial/emulator")[1]["grpc"] == target.api
        assert asked(str(target.storage), "GET", f"/storage/v1/b/{target.bucket}")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        asked(str(target.services), "GET", "/seatrial/emulator")
    assert list((project.build_dir / "emulator/running").iterdir()) == []


def test_a_rehearsal_uses_the_emulator_that_the_environment_names_and_leaves_it_running(
    project: projects.Project, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(local.VARIABLE, emulator.rest_url.removeprefix("http://"))
    with local.running(project) as target:
        assert (target.api, target.services) == (emulator.grpc_address, emulator.rest_url)
    assert asked(emulator.rest_url, "GET", "/seatrial/emulator")[0] == 200
    assert not (project.build_dir / "emulator").exists()


def test_a_rehearsal_says_so_where_no_emulator_answers(
    project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unheard:
        port = unheard.getsockname()[1]
    monkeypatch.setenv(local.VARIABLE, f"127.0.0.1:{port}")
    with pytest.raises(EnvironmentFaultError, match="no emulator answers"), local.running(project):
        pass
    monkeypatch.setenv(local.VARIABLE, "somewhere")
    with pytest.raises(UsageError, match="somewhere"), local.running(project):
        pass


def test_a_second_rehearsal_of_a_project_waits_for_the_first(
    project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(local.VARIABLE, raising=False)
    order: list[str] = []

    def second() -> None:
        with local.running(project):
            order.append("second")

    with local.running(project):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(2)  # it has started meanwhile; were it not to wait it would say so in this time
        order.append("first")
    waiting.join(60)
    assert order == ["first", "second"]
