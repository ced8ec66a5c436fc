"""From what the cloud says of a failed deployment to why it failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.rpc import error_details_pb2
from grpc import StatusCode

from seatrial.deploy.vertex import diagnosis
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.deploy.vertex.target import TARGETS
from seatrial.emulator.api import refusals
from seatrial.emulator.api.faults import Fault
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Location
from seatrial.project import Project
from tests.deploy.services import PROJECT, Around, running
from tests.small_project import small_project
from tests.stages import ended

LINK = refusals.logs_link("123456", "us-central1", "digits")
EXITED = refusals.server_exited(LINK)
OPERATION = "projects/123456/locations/us-central1/endpoints/{}/operations/5"
TRACEBACK = """Traceback (most recent call last):
  File "/app/lib/python3.11/site-packages/seatrial_runtime/app.py", line 9, in load
    predictor.load(uri)
  File "/app/lib/python3.11/site-packages/predictor.py", line 3, in load
    torch.load("model.pt")
_pickle.UnpicklingError: pickle data was truncated"""


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Around, Vertex]]:
    monkeypatch.setitem(TARGETS, "local", replace(TARGETS["local"], ingestion=0.2, log_pause=0.02))
    with running(tmp_path) as both:
        yield both


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path / "project", {})


def failed(
    code: int, message: str, *, partial: tuple[str, ...] = (), stage: str = "", endpoint: str = "digits"
) -> OperationFailedError:
    return OperationFailedError(OPERATION.format(endpoint), "deploying version 2", code, message, partial, stage)


def explained(
    vertex: Vertex, project: Project, error: OperationFailedError, deployed: str = "1234567890"
) -> list[Finding]:
    return ended(diagnosis.of_operation(vertex, error, Gathered(project), "digits", deployed, 0.0)).findings


def test_the_cause_in_the_containers_log_comes_first_with_the_clouds_words_beside_it(
    around: tuple[Around, Vertex], project: Project
) -> None:
    services, vertex = around
    services.write("starting", *TRACEBACK.splitlines())
    (found,) = explained(vertex, project, failed(9, EXITED, stage="STARTING_MODEL_SERVER"))
    assert (found.code, found.location) == ("ST309", Location("predictor.py", 3))
    assert found.cloud == f"FAILED_PRECONDITION: {EXITED}"
    assert "_pickle.UnpicklingError: pickle data was truncated" in found.evidence


def test_a_missing_distribution_shows_the_end_of_the_log(around: tuple[Around, Vertex], project: Project) -> None:
    services, vertex = around
    services.write("loading the predictor", "ModuleNotFoundError: No module named 'torchvision'", "exit code 1")
    (found,) = explained(vertex, project, failed(9, EXITED))
    assert (found.code, found.subject) == ("ST110", "torchvision")
    assert found.evidence[-2:] == ("loading the predictor", "exit code 1")


def test_a_log_that_no_rule_knows_is_shown_as_it_is(around: tuple[Around, Vertex], project: Project) -> None:
    services, vertex = around
    services.write(*(f"line {number}" for number in range(20)))
    (found,) = explained(vertex, project, failed(9, refusals.never_ready(LINK)))
    assert found.code == "ST702"
    assert found.evidence == tuple(f"line {number}" for number in range(8, 20))


def test_an_exception_that_no_rule_knows_is_reduced_to_the_projects_frames(
    around: tuple[Around, Vertex], project: Project
) -> None:
    services, vertex = around
    services.write(
        "starting",
        "Traceback (most recent call last):",
        '  File "/app/lib/python3.11/site-packages/seatrial_runtime/app.py", line 9, in load',
        "    predictor.load(uri)",
        '  File "/app/lib/python3.11/site-packages/predictor.py", line 3, in load',
        '    self.classes = settings["classes"]',
        "KeyError: 'classes'",
        *(f"shutting down {number}" for number in range(20)),
    )
    (found,) = explained(vertex, project, failed(9, EXITED, stage="STARTING_MODEL_SERVER"))
    assert (found.code, found.location) == ("ST701", Location("predictor.py", 3))
    assert found.message.endswith(": KeyError: 'classes'")
    assert found.evidence == (
        "predictor.py:3, in load",
        '    self.classes = settings["classes"]',
        "KeyError: 'classes'",
    )
    assert found.cloud == f"FAILED_PRECONDITION: {EXITED}"


def test_an_exception_outside_the_project_keeps_the_end_of_the_log(
    around: tuple[Around, Vertex], project: Project
) -> None:
    services, vertex = around
    services.write(
        "Traceback (most recent call last):", '  File "/app/other.py", line 1, in run', "KeyError: 'x'", "exit code 1"
    )
    (found,) = explained(vertex, project, failed(9, EXITED))
    assert (found.code, found.location) == ("ST701", None)
    assert found.evidence[:2] == ("/app/other.py:1, in run", "KeyError: 'x'")
    assert found.evidence[-1] == "exit code 1"


def test_a_deployment_that_failed_before_its_stage_was_seen_is_looked_up_in_its_log(
    around: tuple[Around, Vertex], project: Project
) -> None:
    services, vertex = around
    services.write(*TRACEBACK.splitlines())
    (found,) = explained(vertex, project, failed(13, "INTERNAL", stage="FAILED_TO_DEPLOY"))
    assert found.code == "ST309"


def test_an_empty_log_says_how_to_ask_again(around: tuple[Around, Vertex], project: Project) -> None:
    services, vertex = around
    services.faults.add(Fault(empty_logs=True))
    (found,) = explained(vertex, project, failed(9, EXITED, partial=("1 of 1 replicas failed",)))
    assert found.code == "ST701"
    assert found.evidence[0] == "partial failure: 1 of 1 replicas failed"
    assert "log is empty" in found.evidence[1]
    assert found.evidence[2].startswith('query: resource.type="aiplatform.googleapis.com/Endpoint"')


def test_a_log_that_may_not_be_read_is_said_to_be_unread(around: tuple[Around, Vertex], project: Project) -> None:
    services, vertex = around
    services.faults.add(Fault(denied=frozenset(("logging.logEntries.list",))))
    (found,) = explained(vertex, project, failed(9, EXITED))
    assert "could not be read" in found.evidence[0]
    assert "logging.logEntries.list" in found.evidence[0]


def test_the_endpoint_that_failed_is_the_one_whose_log_is_read(around: tuple[Around, Vertex], project: Project) -> None:
    services, vertex = around
    services.write("RuntimeError: operator torchvision::nms does not exist", endpoint="digits-staging")
    (found,) = explained(vertex, project, failed(9, EXITED, endpoint="digits-staging"))
    assert found.code == "ST122"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (failed(8, refusals.quota_exceeded(["aiplatform.googleapis.com/custom_model_serving_cpus"]).message), "ST704"),
        (failed(9, refusals.artifacts_unreadable("gs://b/x", refusals.service_agent("1"))), "ST703"),
        (
            failed(9, refusals.image_unreadable("us-docker.pkg.dev/p/r/i@sha256:0", refusals.service_agent("1"))),
            "ST703",
        ),
        (failed(14, refusals.NO_CAPACITY, stage="ADDING_NODES_TO_CLUSTER"), "ST709"),
        (failed(1, refusals.CANCELLED_TEXT, stage="STARTING_MODEL_SERVER"), "ST708"),
        (failed(13, refusals.INTERNAL_TEXT, stage="CREATING_SERVING_CLUSTER"), "ST706"),
        (failed(9, "", stage="PREPARING_MODEL"), "ST707"),
        (failed(9, "PREPARING failed", partial=("Resources are insufficient in region: us-west1",)), "ST709"),
    ],
)
def test_where_no_container_ran_no_log_is_waited_for(
    around: tuple[Around, Vertex], project: Project, error: OperationFailedError, code: str
) -> None:
    services, vertex = around
    (found,) = explained(vertex, project, error)
    assert found.code == code
    assert found.cloud.startswith(("FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "CANCELLED", "INTERNAL"))
    assert services.asked == []


def test_an_internal_error_while_the_server_starts_is_looked_up_in_its_log(
    around: tuple[Around, Vertex], project: Project
) -> None:
    services, vertex = around
    services.write(*TRACEBACK.splitlines())
    (found,) = explained(vertex, project, failed(13, "INTERNAL", stage="STARTING_MODEL_SERVER"))
    assert found.code == "ST309"


def test_a_failure_without_a_deployed_model_asks_no_log(around: tuple[Around, Vertex], project: Project) -> None:
    services, vertex = around
    (found,) = explained(vertex, project, failed(4, refusals.deployment_timed_out(LINK)), deployed="")
    assert (found.code, services.asked) == ("ST702", [])


def refused(status: StatusCode, text: str) -> exceptions.GoogleAPICallError:
    error: exceptions.GoogleAPICallError = exceptions.from_grpc_status(status, text)
    return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (refused(StatusCode.PERMISSION_DENIED, refusals.denied("aiplatform.models.upload", "projects/p").message),
         "ST705", "the identity that deploys lacks aiplatform.models.upload"),
        (refused(StatusCode.PERMISSION_DENIED, "Forbidden"), "ST705", "the upload was refused: Forbidden"),
        (refused(StatusCode.PERMISSION_DENIED,
                 refusals.disabled("aiplatform.googleapis.com", "Vertex AI API", "7").message),
         "ST721", "the Vertex AI API is not enabled in project 7"),
        (refused(StatusCode.RESOURCE_EXHAUSTED, "Too many requests"), "ST704", "Too many requests"),
        (refused(StatusCode.UNAVAILABLE, "failed to connect to all addresses"), "ST706", "failed to connect"),
        (refused(StatusCode.UNAVAILABLE, refusals.NO_CAPACITY), "ST709", "temporarily unavailable"),
        (refused(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), "ST706", "Deadline Exceeded"),
        (refused(StatusCode.INTERNAL, ""), "ST706", "the upload was refused: INTERNAL"),
        (refused(StatusCode.UNKNOWN, "?"), "ST706", "?"),
        (refused(StatusCode.ABORTED, refusals.stale_etag("e").message), "ST706", "Etag mismatch"),
        (refused(StatusCode.CANCELLED, "RST_STREAM"), "ST706", "RST_STREAM"),
        (refused(StatusCode.UNAUTHENTICATED, "no token"), "ST720", "no token"),
        (refused(StatusCode.FAILED_PRECONDITION, refusals.too_large(2_000_000, 1_500_000).message), "ST725", "2000000"),
    ],
)  # fmt: skip
def test_a_refused_call_is_explained_by_its_text_and_else_by_its_status(
    error: exceptions.GoogleAPICallError, code: str, message: str
) -> None:
    found = diagnosis.of_call(error, "the upload")
    assert found.code == code
    assert message in found.message
    assert found.cloud


def test_a_permission_that_only_the_details_name_is_named() -> None:
    detail = error_details_pb2.ErrorInfo(
        reason="IAM_PERMISSION_DENIED", metadata={"permission": "aiplatform.models.get"}
    )
    error = exceptions.PermissionDenied("The caller does not have permission", details=[detail])
    assert diagnosis.of_call(error, "the upload").message == "the identity that deploys lacks aiplatform.models.get"


def test_every_refused_field_is_listed_with_the_key_that_it_comes_from() -> None:
    text = refusals.found_errors(
        [
            ("model.labels", "Label keys must be lower case."),
            ("deployed_model.dedicated_resources.machine_spec.machine_type", "no"),
        ]
    ).message
    found = diagnosis.of_call(refused(StatusCode.INVALID_ARGUMENT, text), "the upload")
    assert found.evidence == (
        "model.labels: Label keys must be lower case.",
        "deployed_model.dedicated_resources.machine_spec.machine_type: no",
    )
    assert found.fix == "change `vertex.labels` and `vertex.machine-type`"
    assert PROJECT not in found.message
