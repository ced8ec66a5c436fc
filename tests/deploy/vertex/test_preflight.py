"""What is found before anything slow: machines, sizes, regions, identity, APIs, permissions, quota."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from seatrial import golden
from seatrial.deploy.preflight import preflight, stays
from seatrial.deploy.vertex import preflight as module
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.platform import VertexPlatform
from seatrial.deploy.vertex.preflight import BATCH_PERMISSIONS, BATCH_USEFUL, PERMISSIONS, USEFUL, identity, quotas
from seatrial.deploy.vertex.target import TARGETS, Target, vertex
from seatrial.emulator.api.control_plane import _PERMISSIONS
from seatrial.emulator.api.faults import Fault
from seatrial.facts.tables import machines
from seatrial.findings import Severity
from seatrial.project import Project
from seatrial.project.vertex import VertexSettings
from seatrial.rules.deployment.settings import machine_fits, regions_agree, requests_fit
from tests.deploy.golden_project import golden_project
from tests.deploy.services import PROJECT, Around, running
from tests.small_project import small_project
from tests.stages import Ended, ended

CLOUD = vertex(PROJECT, "us-central1")
IMAGE = "us-central1-docker.pkg.dev/my-project/models/digits@sha256:" + "0" * 64


@pytest.fixture
def around(tmp_path: Path) -> Iterator[tuple[Around, Vertex]]:
    with running(tmp_path) as both:
        yield both


def with_vertex(project: Project, **settings: Any) -> Project:
    return project.model_copy(update={"vertex": VertexSettings(**settings)})


def done(around: tuple[Around, Vertex], project: Project, image: str = IMAGE) -> Ended[None]:
    return ended(preflight(VertexPlatform(around[1]), project, image))


def test_a_project_that_can_do_everything_passes_and_every_service_was_asked(
    around: tuple[Around, Vertex], tmp_path: Path
) -> None:
    checked = done(around, golden_project(tmp_path / "p"))
    assert checked.findings == []
    assert not [step for step in checked.steps if "not checked" in step or "could not be read" in step]
    assert {step.partition(" ")[2].partition("/projects/")[0] for step in around[0].asked} == {"/v1", "/v1beta1"}


def test_an_api_that_is_off_is_named_with_the_command_that_enables_it(
    around: tuple[Around, Vertex], tmp_path: Path
) -> None:
    off = around[0].faults.add(Fault(disabled=frozenset(("aiplatform.googleapis.com", "logging.googleapis.com"))))
    checked = done(around, golden_project(tmp_path / "p"))
    assert [(f.code, f.severity) for f in checked.findings] == [
        ("ST721", Severity.ERROR), ("ST721", Severity.WARNING),
    ]  # fmt: skip
    assert "gcloud services enable aiplatform.googleapis.com --project my-project" in checked.findings[0].fix
    assert off.hit.is_set()


@pytest.mark.parametrize("permission", [*PERMISSIONS, *USEFUL])
def test_a_missing_permission_is_named_with_its_step(
    around: tuple[Around, Vertex], tmp_path: Path, permission: str
) -> None:
    around[0].faults.add(Fault(denied=frozenset((permission,))))
    (found,) = done(around, golden_project(tmp_path / "p")).findings
    assert (found.code, found.severity) == (
        "ST722", Severity.ERROR if permission in PERMISSIONS else Severity.WARNING,
    )  # fmt: skip
    assert permission in found.message
    assert found.evidence == (f"{permission}: {(PERMISSIONS | USEFUL)[permission]}",)


@pytest.mark.parametrize(
    ("limit", "codes", "said"),
    [(-1, [], ""), (8, [], ""), (4, [], "enough for one version, not for two"), (3, ["ST724"], ""), (0, ["ST724"], "")],
)
def test_the_quota_of_the_machines_is_held_against_what_one_version_takes(
    around: tuple[Around, Vertex], tmp_path: Path, limit: int, codes: list[str], said: str
) -> None:
    around[0].faults.add(Fault(quota={"custom_model_serving_cpus": limit}))
    checked = done(around, golden_project(tmp_path / "p"))
    assert checked.codes == codes
    assert [said in step for step in checked.steps if "quota" in step] == ([True] if said else [])


def test_every_permission_that_a_call_of_the_deployer_needs_is_tested() -> None:
    never_called = {"aiplatform.endpoints.list"}
    asked = PERMISSIONS | USEFUL | BATCH_PERMISSIONS | BATCH_USEFUL
    assert set(_PERMISSIONS.values()) - never_called <= asked.keys()


@pytest.mark.parametrize("permission", [*BATCH_PERMISSIONS, *BATCH_USEFUL])
def test_a_batch_prediction_needs_permissions_of_its_own(
    around: tuple[Around, Vertex], tmp_path: Path, permission: str
) -> None:
    not_needed = frozenset((PERMISSIONS | USEFUL).keys() - BATCH_PERMISSIONS.keys())
    around[0].faults.add(Fault(denied=not_needed))
    project = golden_project(tmp_path / "p")
    assert ended(module.preflight(around[1], project, batch=True)).findings == []
    around[0].faults.add(Fault(denied=frozenset((permission,))))
    (found,) = ended(module.preflight(around[1], project, batch=True)).findings
    assert found.severity == (Severity.ERROR if permission in BATCH_PERMISSIONS else Severity.WARNING)
    assert found.evidence == (f"{permission}: {(BATCH_PERMISSIONS | BATCH_USEFUL)[permission]}",)


def test_a_quota_that_is_not_told_is_a_line_and_no_failure(around: tuple[Around, Vertex], tmp_path: Path) -> None:
    project = with_vertex(golden_project(tmp_path / "p"), machine_type="c3-highcpu-4")
    checked = done(around, project)
    assert checked.findings == []
    assert "the quota custom_model_serving_c3_cpus of us-central1 could not be read" in checked.steps


def test_a_service_that_does_not_answer_costs_its_time_and_no_more(
    around: tuple[Around, Vertex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.5)
    around[0].silent = "testIamPermissions"
    began = time.monotonic()
    checked = done(around, golden_project(tmp_path / "p"))
    assert checked.findings == []
    assert "permissions: no answer within 0.5 s, not checked" in checked.steps
    assert time.monotonic() - began < 10


def test_a_service_that_refuses_is_said_in_its_own_words(around: tuple[Around, Vertex], tmp_path: Path) -> None:
    around[0].faults.add(Fault(disabled=frozenset(("cloudresourcemanager.googleapis.com",))))
    checked = done(around, golden_project(tmp_path / "p"))
    assert checked.errors == []
    assert any(step.startswith("permissions: not checked, cloudresourcemanager") for step in checked.steps)


@pytest.mark.parametrize(
    ("fault", "codes", "said"),
    [
        (Fault(), [], False),
        (Fault(denied=frozenset(("iam.serviceAccounts.actAs",))), ["ST722"], False),
        (Fault(disabled=frozenset(("iam.googleapis.com",))), [], True),
    ],
)
def test_whether_a_container_may_run_as_the_service_account_is_asked_of_that_account(
    around: tuple[Around, Vertex], tmp_path: Path, fault: Fault, codes: list[str], said: bool
) -> None:
    account = "server@my-project.iam.gserviceaccount.com"
    around[0].faults.add(fault)
    checked = done(around, with_vertex(golden_project(tmp_path / "p"), service_account=account))
    assert checked.codes == codes
    assert all(account in f.message and "roles/iam.serviceAccountUser" in f.fix for f in checked.findings)
    assert any(step.startswith("the service account: not checked") for step in checked.steps) is said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, ""),
        ({"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2}, ""),
        (
            {"machine_type": "n1-standard-32", "accelerator_type": "NVIDIA_TESLA_V100"},
            "cannot have 1 NVIDIA_TESLA_V100",
        ),
        ({"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_L4"}, "cannot have 1 NVIDIA_L4"),
        ({"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 3}, "3 NVIDIA"),
        ({"machine_type": "g2-standard-12", "accelerator_type": "NVIDIA_L4"}, ""),
        ({"machine_type": "g2-standard-24", "accelerator_type": "NVIDIA_L4"}, "cannot have 1 NVIDIA_L4"),
        ({"machine_type": "g2-standard-12"}, "comes with accelerators, but no accelerator type is named"),
        ({"machine_type": "e2-standard-4", "accelerator_type": "NVIDIA_L4"}, "takes no accelerator"),
        ({"machine_type": "a2-highgpu-1g", "accelerator_type": "NVIDIA_A100_80GB"}, "cannot have 1 NVIDIA_A100_80GB"),
        ({"machine_type": "a2-ultragpu-1g", "accelerator_type": "NVIDIA_A100_80GB"}, ""),
        ({"machine_type": "a3-highgpu-8g", "accelerator_type": "NVIDIA_H100_80GB", "accelerator_count": 2}, ""),
    ],
)
def test_machine_and_accelerators_must_go_together(settings: dict[str, Any], message: str) -> None:
    found = list(machine_fits(VertexSettings(**settings)))
    assert [f.code for f in found] == (["ST726"] if message else [])
    assert all(message in f.message and f.severity is Severity.ERROR for f in found)


def test_a_machine_that_the_table_does_not_know_is_a_warning_with_its_date() -> None:
    (found,) = machine_fits(VertexSettings(machine_type=("n9-standard-4",)))
    assert found.severity is Severity.WARNING
    assert machines().read_on in found.message


@pytest.mark.parametrize(
    ("settings", "metrics"),
    [
        ({"machine_type": "e2-highmem-8"}, {"custom_model_serving_cpus": 8}),
        ({"machine_type": "n2-standard-8", "min_replicas": 2, "max_replicas": 4}, {"custom_model_serving_n2_cpus": 16}),
        (
            {"machine_type": "g2-standard-24", "accelerator_type": "NVIDIA_L4", "accelerator_count": 2},
            {"custom_model_serving_g2_cpus": 24, "custom_model_serving_nvidia_l4_gpus": 2},
        ),
        (
            {"machine_type": "g2-standard-24", "accelerator_type": "NVIDIA_L4", "accelerator_count": 2, "spot": True},
            {"custom_model_serving_preemptible_g2_cpus": 24, "custom_model_serving_preemptible_nvidia_l4_gpus": 2},
        ),
        ({"machine_type": "n9-standard-4"}, {}),
    ],
)
def test_what_a_version_takes_of_which_quota(settings: dict[str, Any], metrics: dict[str, int]) -> None:
    assert quotas(VertexSettings(**settings)) == metrics


@pytest.mark.parametrize(
    ("kind", "size", "fits"),
    [
        ("shared", 1_000_000, True),
        ("shared", 1_600_000, False),
        ("dedicated", 1_600_000, True),
        ("dedicated", 10_000_000, False),
    ],
)
def test_golden_requests_are_held_against_the_endpoints_limit(tmp_path: Path, kind: str, size: int, fits: bool) -> None:
    examples = [{"instance": "x" * size, "label": "a"}, {"instance": "small", "label": "b"}]
    project = small_project(tmp_path, {"artifacts/golden/golden.json": json.dumps(examples)})
    found = list(requests_fit(golden.request_sizes(project.artifacts_dir, golden.read(project.artifacts_dir)), kind))
    assert [f.code for f in found] == ([] if fits else ["ST725"])
    assert [f.evidence for f in found] == ([] if fits else [(f"example 0: {size + 19:,} bytes",)])


@pytest.mark.parametrize(
    ("target", "image", "message"),
    [
        (CLOUD, IMAGE, ""),
        (CLOUD, IMAGE.replace("us-central1", "europe-west4"), "the image is in europe-west4, the model in us-central1"),
        (CLOUD, IMAGE.replace("us-central1", "us"), "the image is in the multi-region us"),
        (CLOUD, "docker.io/library/digits@sha256:0", "docker.io/library/digits is not in Artifact Registry"),
        (CLOUD, "gcr.io/my-project/digits@sha256:0", "is not in Artifact Registry"),
        (Target("local", PROJECT, "us-central1", "127.0.0.1:1"), "localhost:5000/digits@sha256:0", ""),
        (Target("local", PROJECT, "us-central1", "127.0.0.1:1"), "", ""),
        (Target("local", PROJECT, "us-east1", "127.0.0.1:1"), IMAGE, "the image is in us-central1"),
    ],
)
def test_an_image_must_lie_in_a_registry_of_the_models_region(target: Target, image: str, message: str) -> None:
    found = list(regions_agree(image, target.region, local=target.traits.rehearsal))
    assert [f.code for f in found] == (["ST723"] if message else [])
    assert all(message in f.message for f in found)


def test_what_will_run_is_said_with_the_command_that_stops_it(tmp_path: Path) -> None:
    project = with_vertex(
        small_project(tmp_path, {}, name="digits"), machine_type="g2-standard-12", accelerator_type="NVIDIA_L4",
        min_replicas=1, max_replicas=3,
    )  # fmt: skip
    (note,) = stays(project, CLOUD.traits, CLOUD.region)
    assert (note.code, note.severity) == ("ST727", Severity.NOTE)
    assert note.message.startswith(
        "1 to 3 x g2-standard-12 with 1 NVIDIA_L4 will run in us-central1 behind endpoint digits"
    )
    assert "seatrial deploy --undeploy" in note.message
    assert list(stays(project, TARGETS["local"].traits, CLOUD.region)) == []


class Tokens(BaseHTTPRequestHandler):
    """A token endpoint that knows one login."""

    def do_POST(self) -> None:
        known = b"good" in self.rfile.read(int(self.headers["Content-Length"]))
        body = (
            {"access_token": "t", "expires_in": 60} if known else {"error": "invalid_grant", "error_description": "x"}
        )
        data = json.dumps(body).encode()
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass


@pytest.fixture
def token_address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Tokens)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("login", "account", "who"), [("good", "me@example.com", "me@example.com"), ("good", "", "")])
def test_whoever_deploys_is_named(
    around: tuple[Around, Vertex], token_address: str, login: str, account: str, who: str
) -> None:
    around[1].credentials = Credentials(
        None, refresh_token=login, token_uri=token_address, client_id="c", client_secret="s", account=account
    )
    said, refused = identity(around[1])
    assert refused is None
    assert said == (who or "an identity without a name (google.oauth2.credentials)")


def test_a_login_that_gets_no_token_ends_the_preflight_at_once(
    around: tuple[Around, Vertex], token_address: str, tmp_path: Path
) -> None:
    around[1].credentials = Credentials(
        None, refresh_token="revoked", token_uri=token_address, client_id="c", client_secret="s"
    )
    checked = done(around, golden_project(tmp_path / "p"))
    assert checked.codes == ["ST720"]
    assert "invalid_grant" in checked.findings[0].message
    assert around[0].asked == []
