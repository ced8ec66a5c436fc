"""Every stage of a whole deploy that fails or never ends, and the services around it that do not answer.

Whatever the cloud says of it, the finding is the right one, and the exit code tells whose fault it is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.emulator.api import refusals
from seatrial.emulator.api.faults import Fault
from tests.deploy.faulted import (
    DENIED,
    KINDS,
    SMALL,
    Ground,
    as_before,
    begun,
    finished,
    identity,
    meets,
    shorten,
)
from tests.deploy.in_process import NAME, RestFault
from tests.deploy.rehearsal import rehearsing

pytestmark = pytest.mark.proof


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return begun(tmp_path_factory.mktemp("ground"))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, answer=20.0)


# ---- Stages ----------------------------------------------------------------------------------------------------------

STAGES = (
    "PREPARING_MODEL", "CREATING_SERVING_CLUSTER", "ADDING_NODES_TO_CLUSTER", "GETTING_CONTAINER_IMAGE",
    "STARTING_MODEL_SERVER", "FINISHING_UP",
)  # fmt: skip
_LINK = refusals.logs_link("123456789012", "us-central1", NAME)
_AGENT = refusals.service_agent("123456789012")
_IMAGE = "us-central1-docker.pkg.dev/p/r/i@sha256:" + "0" * 64
_FIELDS = [("deployed_model.dedicated_resources.machine_spec", "n1-standard-4 takes no such accelerator")]
# Text → code, words, finding, exit code: 1 for what the container did, 3 for what its surroundings did.
TEXTS: dict[str, tuple[int, str, str, int]] = {
    "server exited": (9, refusals.server_exited(_LINK), "ST701", 1),
    "server terminated": (9, refusals.server_terminated("OOMKilled", _LINK), "ST701", 1),
    "never ready": (9, refusals.never_ready(_LINK), "ST702", 1),
    "timed out": (4, refusals.deployment_timed_out(_LINK), "ST702", 1),
    "image unreadable": (9, refusals.image_unreadable(_IMAGE, _AGENT), "ST703", 3),
    "image denied": (7, refusals.image_unreadable(_IMAGE, _AGENT), "ST703", 3),
    "artifacts unreadable": (9, refusals.artifacts_unreadable("gs://b/x", _AGENT), "ST703", 3),
    "no capacity": (14, refusals.NO_CAPACITY, "ST709", 3),
    "internal": (13, refusals.INTERNAL_TEXT, "ST706", 3),
    "cancelled": (1, refusals.CANCELLED_TEXT, "ST708", 3),
    "quota": (8, refusals.quota_exceeded(["aiplatform.googleapis.com/custom_model_serving_cpus"]).message, "ST704", 3),
    "denied": (7, refusals.denied("aiplatform.endpoints.deploy", "projects/p").message, "ST705", 3),
    "disabled": (7, refusals.disabled("aiplatform.googleapis.com", "Vertex AI API", "1").message, "ST721", 3),
    "found errors": (3, refusals.found_errors(_FIELDS).message, "ST707", 3),
    "version is gone": (5, refusals.not_found("Model", "projects/p/models/m@2").message, "ST707", 3),
    "stale": (10, refusals.stale_etag("projects/p/endpoints/e").message, "ST706", 3),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fails_is_explained_and_leaves_everything_as_it_was(
    tmp_path: Path, ground: Ground, stage: str, text: str
) -> None:
    code, words, finding, exit_code = TEXTS[text]
    for number in (1, 2):
        with ground.world(tmp_path / str(number), number) as given:
            given.faults.add(Fault(stage=stage, error=(code, words), partial=(9, "1 of 1 replicas failed")))
            ended = given.deploy(ground.project(), number, SMALL)
            assert (ended.code, ended.status, ended.codes) == (exit_code, "failed", {finding}), ended
            (found,) = ended.errors
            assert words in found.cloud
            assert "partial failure: FAILED_PRECONDITION: 1 of 1 replicas failed" in found.evidence
            assert any("partial failure" in step for step in ended.steps)
            as_before(ground.before[number], given.state())


TRACEBACK = """Traceback (most recent call last):
  File "/env/lib/python3.11/site-packages/seatrial_runtime/app.py", line 9, in load
    predictor.load(uri)
  File "/env/lib/python3.11/site-packages/predictor.py", line 3, in load
    raise KeyError("classes")
KeyError: 'classes'"""


@pytest.mark.parametrize("text", ["server exited", "never ready", "internal", "timed out"])
def test_what_the_container_wrote_names_the_place_in_the_project(tmp_path: Path, ground: Ground, text: str) -> None:
    code, words, finding, exit_code = TEXTS[text]
    with ground.world(tmp_path, 2) as given:
        given.hosting.logged = tuple(TRACEBACK.splitlines())
        given.faults.add(Fault(stage="STARTING_MODEL_SERVER", error=(code, words)))
        ended = given.deploy(ground.project(), 2, SMALL)
        (found,) = ended.errors
        assert (found.code, str(found.location), ended.code) == (finding, "predictor.py:3", exit_code)
        assert "KeyError: 'classes'" in found.message
        as_before(ground.before[2], given.state())


def test_a_log_that_stays_empty_is_said_to_be_with_the_query_for_it(tmp_path: Path, ground: Ground) -> None:
    with ground.world(tmp_path, 2) as given:
        given.hosting.logged = ("a line that nobody finds",)
        fault = given.faults.add(Fault(empty_logs=True))
        given.faults.add(Fault(stage="STARTING_MODEL_SERVER", error=TEXTS["server exited"][:2]))
        ended = given.deploy(ground.project(), 2, SMALL)
        assert fault.hit.is_set()
        evidence = "\n".join(ended.errors[0].evidence)
        assert "log is empty" in evidence
        assert (
            f'query: resource.type="aiplatform.googleapis.com/Endpoint" AND resource.labels.endpoint_id="{NAME}"'
            in (evidence)
        )


@pytest.mark.parametrize("stage", [*STAGES, "UploadModel", "CreateEndpoint", "UndeployModel"])
def test_a_stage_that_never_ends_is_left_at_its_deadline_and_taken_up_again(
    tmp_path: Path, ground: Ground, stage: str
) -> None:
    number = 1 if stage == "CreateEndpoint" else 2
    method = "DeployModel" if stage in STAGES else stage
    names = {
        "UploadModel": "upload",
        "CreateEndpoint": "endpoint",
        "DeployModel": "deploy",
        "UndeployModel": "undeploy",
    }
    project = ground.project(**{f"{names[method]}_timeout": "0.4"})
    with ground.world(tmp_path, number) as given:
        given.plane.patient = False
        given.faults.add(Fault(stage=stage, never=True))
        ended = given.deploy(project, number, SMALL)
        assert (ended.code, ended.status) == (75, "still-running"), ended
        under_way = given.state()
        assert len(under_way.operations) == 1
        assert under_way.operations[0].rpartition("/")[2] in ended.message
        if stage != "UndeployModel":
            before = ground.before[number]
            assert (under_way.split, under_way.record, under_way.endpoints) == (before.split, None, before.endpoints)
        threading.Timer(0.2, given.faults.clear).start()
        again = given.deploy(ground.project(), number, SMALL)
        assert (again.code, given.state()) == (0, finished(number, project)), again
        assert given.plane.sent(method) == 1


@pytest.mark.parametrize("kind", ["unavailable", "denied"])
def test_an_operation_that_cannot_be_polled_any_more_is_cancelled(tmp_path: Path, ground: Ground, kind: str) -> None:
    with ground.world(tmp_path, 2) as given:
        given.plane.patient = False
        given.faults.add(Fault(stage="STARTING_MODEL_SERVER", never=True))
        given.faults.add(KINDS[kind].fault("GetOperation", skip=3, times=None))
        ended = given.deploy(ground.project(), 2, SMALL)
        assert (ended.code, ended.codes) == (3, {KINDS[kind].finding}), ended
        as_before(ground.before[2], given.settled())


def test_an_undoing_that_never_ends_does_not_hide_why_it_was_needed(tmp_path: Path, ground: Ground) -> None:
    with ground.world(tmp_path, 2) as given:
        given.plane.patient = False
        given.faults.add(KINDS["denied"].fault("Predict", times=None))
        given.faults.add(Fault(stage="UndeployModel", never=True))
        ended = given.deploy(ground.project(undeploy_timeout="0.4"), 2, SMALL)
        assert (ended.code, ended.codes) == (3, {"ST705", "ST706"}), ended
        assert any("could not be undone" in each.message for each in ended.errors)
        assert given.state().split == ground.before[2].split


_BINDING = f"Failed to add IAM policy binding. Please grant {_AGENT} the iam.serviceAccountAdmin role."
UPLOADS = {
    **{
        name: TEXTS[name]
        for name in ("artifacts unreadable", "image denied", "internal", "cancelled", "quota", "denied")
    },
    "fields": (
        3,
        refusals.found_errors([("model.labels", "lower case"), ("model_id", "too long")]).message,
        "ST707",
        3,
    ),
    "service account": (9, _BINDING, "ST703", 3),
}


@pytest.mark.parametrize("text", UPLOADS)
def test_an_upload_that_fails_leaves_no_version(tmp_path: Path, ground: Ground, text: str) -> None:
    code, words, finding, exit_code = UPLOADS[text]
    with ground.world(tmp_path, 2) as given:
        given.faults.add(Fault(stage="UploadModel", error=(code, words), partial=(7, "a part of it")))
        ended = given.deploy(ground.project(), 2, SMALL)
        assert (ended.code, ended.status, ended.codes) == (exit_code, "failed", {finding}), ended
        assert given.state() == ground.before[2]
        if text == "fields":
            assert ended.errors[0].evidence[:2] == ("model.labels: lower case", "model_id: too long")


@pytest.mark.parametrize("stage", ["CreateEndpoint", "UndeployModel"])
def test_another_operation_that_fails_is_explained(tmp_path: Path, ground: Ground, stage: str) -> None:
    number = 1 if stage == "CreateEndpoint" else 2
    with ground.world(tmp_path, number) as given:
        given.faults.add(Fault(stage=stage, error=TEXTS["internal"][:2]))
        ended = given.deploy(ground.project(), number, SMALL)
        assert (ended.code, ended.status, ended.codes) == (3, "failed", {"ST706"}), ended
        meets("e" if number == 1 else "c", ground.before[number], given.state(), identity(number, ground.project()))
        assert given.deploy(ground.project(), number, SMALL).code == 0
        assert given.state() == finished(number, ground.project())


def test_partial_failures_of_a_deployment_that_succeeds_are_shown(tmp_path: Path, ground: Ground) -> None:
    with ground.world(tmp_path, 2) as given:
        given.faults.add(Fault(stage="ADDING_NODES_TO_CLUSTER", partial=(14, "1 of 2 nodes is missing")))
        ended = given.deploy(ground.project(), 2, SMALL)
        assert (ended.code, ended.status) == (0, "deployed")
        assert any("partial failure: UNAVAILABLE: 1 of 2 nodes is missing" in step for step in ended.steps)


@pytest.mark.parametrize(("method", "code"), [("DeployModel", 8), ("Predict", 14)])
def test_on_an_endpoint_for_staging_nothing_is_left(tmp_path: Path, ground: Ground, method: str, code: int) -> None:
    project = ground.project(rollout__staging="true")
    with ground.world(tmp_path, 2) as given:
        given.faults.add(Fault(method, code=code, message="no", times=None))
        ended = given.deploy(project, 2, SMALL)
        assert (ended.code, ended.codes) == ((3, {"ST704"}) if code == 8 else (1, {"ST711"})), ended
        as_before(ground.before[2], given.state())
        given.faults.clear()
        assert given.deploy(project, 2, SMALL).code == 0
        assert given.state() == finished(2, project)


@pytest.mark.parametrize(
    ("method", "skip"),
    [("ListModelVersions", 3), ("GetModel", 4), ("MergeVersionAliases", 0), ("UpdateEndpoint", 0), ("Predict", 0)],
)
def test_what_serves_already_goes_on_serving_whatever_a_further_run_meets(
    tmp_path: Path, ground: Ground, method: str, skip: int
) -> None:
    project = ground.project()
    with ground.world(tmp_path, 2) as given:
        assert given.deploy(project, 2, SMALL).code == 0
        given.give("1", "default")  # somebody moved it by hand, so that there is something to do
        before = given.state()
        fault = given.faults.add(KINDS["unavailable"].fault(method, skip=skip, times=None))
        ended = given.deploy(project, 2, SMALL)
        assert fault.hit.is_set()
        assert (ended.code, ended.codes) == ((1, {"ST711"}) if method == "Predict" else (3, {"ST706"})), ended
        given.faults.clear()
        assert given.state() == before
        assert given.deploy(project, 2, SMALL).code == 0
        assert given.state() == finished(2, project)


# ---- What the project lacks, and the REST services around it ---------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        (Fault(denied=frozenset({"aiplatform.endpoints.deploy"})), "ST722"),
        (Fault(disabled=frozenset({"aiplatform.googleapis.com"})), "ST721"),
        (Fault(quota={"custom_model_serving_cpus": 1}), "ST724"),
    ],
)
def test_what_the_project_lacks_is_said_before_anything_is_changed(
    tmp_path: Path, ground: Ground, fault: Fault, finding: str
) -> None:
    with ground.world(tmp_path, 2) as given:
        ordered = given.faults.add(replace(fault))
        ended = given.deploy(ground.project(), 2, SMALL)
        assert ordered.hit.is_set()
        assert (ended.code, ended.codes) == (3, {finding}), ended
        given.faults.clear()
        assert given.state() == ground.before[2]


REST = {
    "503": RestFault("", status=503), "500": RestFault("", status=500), "504": RestFault("", status=504),
    "429": RestFault("", status=429), "403": RestFault("", status=403), "409": RestFault("", status=409),
    "reset": RestFault("", reset=True), "silence": RestFault("", silence=True),
}  # fmt: skip


@pytest.mark.parametrize("kind", REST)
@pytest.mark.parametrize("path", [":testIamPermissions", "services:batchGet", "consumerQuotaMetrics"])
@pytest.mark.parametrize("times", [1, None])
def test_a_question_before_the_deploy_that_gets_no_answer_stops_nothing_and_is_said(
    tmp_path: Path, ground: Ground, path: str, kind: str, times: int | None
) -> None:
    with ground.world(tmp_path, 2) as given:
        fault = given.around.fault = replace(REST[kind], path=path, times=times)
        ended = given.deploy(ground.project(), 2, SMALL)
        assert fault.hit
        assert (ended.code, ended.status) == (0, "deployed"), ended
        unasked = any("not checked" in step for step in ended.steps)
        assert unasked == (times is None or kind == "403"), ended


@pytest.mark.parametrize("kind", REST)
@pytest.mark.parametrize("times", [1, None])
def test_a_log_that_cannot_be_read_does_not_hide_the_failure(
    tmp_path: Path, ground: Ground, kind: str, times: int | None
) -> None:
    with ground.world(tmp_path, 2) as given:
        given.hosting.logged = tuple(TRACEBACK.splitlines())
        fault = given.around.fault = replace(REST[kind], path="entries:list", times=times)
        given.faults.add(Fault(stage="STARTING_MODEL_SERVER", error=TEXTS["server exited"][:2]))
        ended = given.deploy(ground.project(), 2, SMALL)
        assert fault.hit
        assert (ended.code, ended.codes) == (1, {"ST701"}), ended
        (found,) = ended.errors
        evidence = "\n".join(found.evidence)
        unread = times is None or kind == "403"
        assert ("could not be read" in evidence and "query: " in evidence) == unread
        assert (found.location is None) == unread
        as_before(ground.before[2], given.state())


# ---- The command itself ----------------------------------------------------------------------------------------------


def test_the_command_ends_with_the_same_codes(copied: Callable[[str], Path], tmp_path: Path) -> None:
    with rehearsing(copied("tests/projects/packaged-transform"), tmp_path / "state") as real:
        assert real.deploy().code == 0
        before = real.state
        real.change("retrained")
        sample: list[tuple[list[Fault], int, str, set[str], tuple[str, ...]]] = [
            ([Fault("UploadModel", code=7, message=DENIED, times=None)], 3, "failed", {"ST705"}, ()),
            ([Fault("ListModelVersions", code=13, message="Internal error encountered.", times=None)], 3, "failed",
             {"ST706"}, ()),
            ([Fault(stage="UploadModel", error=UPLOADS["fields"][:2])], 3, "failed", {"ST707"}, ()),
            ([Fault(stage="ADDING_NODES_TO_CLUSTER", error=TEXTS["no capacity"][:2])], 3, "failed", {"ST709"}, ()),
            ([Fault(stage="STARTING_MODEL_SERVER", error=TEXTS["never ready"][:2]), Fault(empty_logs=True)], 1,
             "failed", {"ST702"}, ()),
            ([Fault(quota={"custom_model_serving_cpus": 1})], 3, "refused", {"ST724"}, ()),
            ([Fault("Predict", code=7, message=DENIED, times=None)], 3, "refused", {"ST705"}, ()),
        ]  # fmt: skip
        for faults, code, status, findings, arguments in sample:
            for fault in faults:
                real.emulator.faults.add(fault)
            ended = real.deploy(*arguments)
            real.emulator.faults.clear()
            assert (ended.code, ended.status, set(ended.codes)) == (code, status, findings), ended.shown
            told = json.loads((real.root / "build/deploy/deploy.json").read_text())
            assert (told["status"], {each["code"] for each in told["findings"]} >= findings) == (status, True)
            after = real.state
            assert (after.split, after.deployed, after.record, after.running) == (
                before.split,
                before.deployed,
                None,
                0,
            )
            assert after.versions["1"] == before.versions["1"]
        for kind in ("reset", "unavailable", "aborted"):
            for method in ("GetEndpoint", "DeployModel", "UpdateEndpoint", "MergeVersionAliases", "Predict"):
                real.emulator.faults.add(KINDS[kind].fault(method))
        assert real.deploy().status == "deployed"
