"""Every RPC and every stage of a whole deploy with all that can go wrong there, and what must come of it.

A fault that strikes once is survived. One that goes on ends the deploy with its finding, and with everything as it was
before, as long as the way back is open: until the former version is being retired.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy import asking, endpoints, logs, preflight
from seatrial.deploy.client import LOCAL, Limits
from seatrial.emulator import texts
from seatrial.emulator.faults import Fault
from seatrial.project import Project, load
from tests.deploy.golden_project import golden_project
from tests.deploy.in_process import NAME, NOTHING, Ended, RestFault, State, World, candidate, world
from tests.deploy.rehearsal import rehearsing

pytestmark = pytest.mark.proof

SMALL = Limits(first=0.02, cap=0.05, failures=3, call=20.0, write=20.0, attempts=2, patience=20.0, retry=0.01)
SILENT = replace(SMALL, call=0.4, write=0.4)  # where a call is never answered, its time limit is waited out


@dataclass(frozen=True)
class Kind:
    """A way in which a call fails, and the finding that it must end in where it goes on."""

    code: int | None
    message: str = ""
    silence: bool = False
    reset: bool = False
    finding: str = "ST706"

    def fault(self, method: str, **more: Any) -> Fault:
        return Fault(method, code=self.code, message=self.message, silence=self.silence, reset=self.reset, **more)


_QUOTA = "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service 'aiplatform'."
_DENIED = "Permission 'aiplatform.something' denied on resource '//aiplatform.googleapis.com/x' (or it may not exist)."
KINDS = {
    "unavailable": Kind(14, "The service is currently unavailable."),
    "internal": Kind(13, "Internal error encountered."),
    "deadline": Kind(4, "Deadline Exceeded"),
    "exhausted": Kind(8, _QUOTA, finding="ST704"),
    "denied": Kind(7, _DENIED, finding="ST705"),
    "aborted": Kind(10, "The operation was aborted."),
    "reset": Kind(None, reset=True),
    "silence": Kind(None, silence=True),
}
LOSING = ("unavailable", "internal", "deadline", "reset", "silence")  # after these the change may have been made
CHANGES = ("UploadModel", "CreateEndpoint", "DeployModel", "UpdateEndpoint", "UndeployModel", "MergeVersionAliases")

# What must come of it when an RPC fails from some call on. A column for each change that an undisturbed deploy makes:
# the letter below it is for the calls of the RPC that come before that change and after the one to its left.
#   b  everything is as before, but for the version in the registry, which serves nobody
#   e  the same, and the empty endpoint may stay
#   u  the same in split and default, but that cannot be seen to be so: a second finding says it, a re-run goes on
#   v  both
#   d  the same but for `default`, which cannot be moved back; said in a second finding
#   U  the split, too, cannot be put back without this RPC; said in a second finding
#   c  the former version was being retired: the new one serves and is the default, and a re-run goes on
#   x  either U or c: it was to be retired next
SECOND = ("UploadModel", "DeployModel", "UpdateEndpoint", "UpdateEndpoint", "MergeVersionAliases",
          "MergeVersionAliases", "UndeployModel", "UpdateEndpoint")  # fmt: skip
OUTAGES_OF_SECOND = {
    "GetEndpoint":         "buuUU.xc",
    "GetModel":            "bb..bbd.",
    "ListModelVersions":   "bbb.....",
    "ListOperations":      "bb....c.",
    "GetOperation":        ".bu....c",
    "UploadModel":         "b.......",
    "DeployModel":         ".b......",
    "UpdateEndpoint":      "..bU...c",
    "MergeVersionAliases": "....bb..",
    "UndeployModel":       "......c.",
}  # fmt: skip
FIRST = ("UploadModel", "CreateEndpoint", "DeployModel", "UpdateEndpoint", "MergeVersionAliases", "UpdateEndpoint")
OUTAGES_OF_FIRST = {
    "GetEndpoint":         "buvuUx",
    "GetModel":            "bb..bb",
    "ListModelVersions":   "bb.b..",
    "ListOperations":      "bbu...",
    "GetOperation":        ".beu..",
    "UploadModel":         "b.....",
    "CreateEndpoint":      ".b....",
    "DeployModel":         "..b...",
    "UpdateEndpoint":      "...b.c",
    "MergeVersionAliases": "....b.",
}  # fmt: skip
SHAPES = {1: (FIRST, OUTAGES_OF_FIRST), 2: (SECOND, OUTAGES_OF_SECOND)}
AFTER_ONE_REFUSAL = {"u": "b", "v": "e", "U": "b", "d": "b", "x": "bc"}  # the way back is then free


@dataclass(frozen=True)
class Ground:
    """A project, and a server that serves its first version: where a cell begins.

    `before` is the state before the first and before the second deploy, `sent` the calls that each sends undisturbed,
    without predictions, whose number is left to chance.
    """

    root: Path
    kept: Path
    before: dict[int, State]
    sent: dict[int, tuple[str, ...]]

    def project(self, **settings: str) -> Project:
        named = {"model": NAME, "endpoint": NAME, "endpoint-type": "shared", "rollout.steps": "[50,100]"}
        given = {key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()}
        return load(self.root, {**named, "rollout.step-timeout": "20.0", **given})

    @contextlib.contextmanager
    def world(self, folder: Path, number: int) -> Iterator[World]:
        """Start a server that serves nothing yet, for a first deploy, or for a second one the first version."""
        kept = (self.kept, self.before[2].running) if number == 2 else (None, frozenset[tuple[str, str]]())
        with world(folder, *kept) as begun:
            yield begun


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("ground")
    golden_project(folder / "project", 2)
    found = Ground(folder / "project", folder / "1/state.db", {1: NOTHING}, {})
    for number in (1, 2):
        with found.world(folder / str(number), number) as begun:
            assert begun.deploy(found.project(), number, SMALL).status == "deployed"
            found.sent[number] = tuple(method for method, _ in begun.plane.asked if method != "Predict")
            found.before[number + 1] = begun.state()
    return found


@pytest.fixture(autouse=True)
def _short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is waited for besides calls and polls, unless a test wants the real time."""
    if "real_limits" in request.node.name:
        return
    answer = 0.4 if "silence" in request.node.name else 20.0

    def of(cls: type[asking.Limits], project: Project, kind: str) -> asking.Limits:
        return cls(seconds=project.vertex.rollout.step_timeout, settle=0.2, request_timeout=answer)

    monkeypatch.setattr(asking.Limits, "of", classmethod(of))
    monkeypatch.setattr(asking, "_PAUSES", (0.0, 0.01))
    monkeypatch.setattr(asking, "_ALIVE", 0.01)
    monkeypatch.setitem(logs.INGESTION, "local", 0.3)
    monkeypatch.setitem(logs.PAUSE, "local", 0.05)
    monkeypatch.setattr(logs, "TIMEOUT", 0.5)
    monkeypatch.setattr(preflight, "SECONDS", 2.0)
    monkeypatch.setattr(preflight, "TIMEOUT", 0.5)


def identity(number: int, project: Project) -> str:
    return endpoints.deployed_id(candidate(number).version_digest, project)


def calls(sent: Sequence[str], method: str, column: int) -> list[int]:
    """Give which calls of an RPC, the first being 0, come after so many changes."""
    changes = [sum(each in CHANGES for each in sent[:at]) for at in range(len(sent))]
    own = [changed for each, changed in zip(sent, changes, strict=True) if each == method]
    return [number for number, changed in enumerate(own) if changed == column]


def finished(number: int, project: Project) -> State:
    """Give the state that every deploy which ends well ends in."""
    key = identity(number, project)
    marks = {n: [f"{mark}-{candidate(n).version_digest[:16]}" for mark in "bp"] for n in range(1, number + 1)}
    aliases = {str(n): tuple(sorted([*marks[n], *(["default"] * (n == number))])) for n in marks}
    return State(aliases, {key: 100}, None, frozenset({(NAME, key)}), (), (NAME,))


def limits_of(kind: str) -> Limits:
    return SILENT if kind == "silence" else SMALL


def as_before(before: State, after: State, *, spare: bool = False) -> None:
    """Hold a state against the one before; one version more that serves nobody is allowed."""
    assert (after.split, after.record, after.operations) == (before.split, before.record, ())
    assert after.running == before.running
    assert after.endpoints == before.endpoints or spare
    assert {key: value for key, value in after.versions.items() if key in before.versions} == before.versions
    more = set(after.versions) - set(before.versions)
    assert more <= {str(len(before.versions) + 1)}
    assert not before.versions or not any("default" in after.versions[key] for key in more)


def meets(letters: str, before: State, after: State, new: str) -> None:
    """Hold a state against what a letter of the tables says, or one of several."""
    letter = letters
    if letters in ("x", "bc"):
        going = "U" if letters == "x" else "b"
        letter = "c" if after.split == {new: 100} and after.record == new else going
    if letter in "be":
        as_before(before, after, spare=letter == "e")
    elif letter in "uv":
        assert {key: share for key, share in after.split.items() if key != new} == before.split
        assert {key: value for key, value in after.versions.items() if key in before.versions} == before.versions
    elif letter == "d":
        assert (after.split, after.running) == (before.split, before.running)
    elif letter == "c":
        assert after.split == {new: 100}
        assert (NAME, new) in after.running
        assert "default" in after.versions[str(len(before.versions) + 1)]
    assert after.operations == ()


def finding_of(method: str, kind: str) -> str:
    """Give the finding of a failure that goes on; polls that fail say nothing about what they poll."""
    return "ST706" if method == "GetOperation" and kind == "exhausted" else KINDS[kind].finding


def cells(number: int, kinds: tuple[str, ...]) -> list[Any]:
    changes, table = SHAPES[number]
    return [
        pytest.param(number, method, column, kind, letter, id=f"{number}-{method}-before-{column}-{change}-{kind}")
        for method, letters in table.items()
        for column, (letter, change) in enumerate(zip(letters, changes, strict=True))
        for kind in kinds
        if letter != "."
    ]


ONCE = cells(2, tuple(KINDS)) + cells(1, ("unavailable", "denied", "reset"))
FOR_EVER = cells(2, tuple(KINDS)) + cells(1, ("internal", "denied"))


@pytest.mark.parametrize("number", [1, 2])
def test_the_tables_name_every_call_of_an_undisturbed_deploy(tmp_path: Path, ground: Ground, number: int) -> None:
    changes, table = SHAPES[number]
    with ground.world(tmp_path, number) as given:
        assert given.deploy(ground.project(), number, SMALL).code == 0
        sent = [method for method, _ in given.plane.asked]
        assert given.state() == finished(number, ground.project())
    assert tuple(method for method in sent if method in CHANGES) == changes
    assert set(sent) == {*table, "Predict"}
    for method, letters in table.items():
        columns = "".join(letter if calls(sent, method, at) else "." for at, letter in enumerate(letters))
        assert columns == letters, method


@pytest.mark.parametrize(("number", "method", "column", "kind", "letter"), ONCE)
def test_a_call_that_fails_once_is_survived_but_for_one_that_is_denied(
    tmp_path: Path, ground: Ground, number: int, method: str, column: int, kind: str, letter: str
) -> None:
    project = ground.project()
    for at in calls(ground.sent[number], method, column):
        with ground.world(tmp_path / str(at), number) as given:
            fault = given.faults.add(KINDS[kind].fault(method, skip=at))
            ended = given.deploy(project, number, limits_of(kind))
            assert fault.hit.is_set(), at
            if kind == "denied":
                assert (ended.code, ended.status, ended.codes) == (3, "failed", {"ST705"}), (at, ended)
                expected = AFTER_ONE_REFUSAL.get(letter, letter)
                meets(expected, ground.before[number], given.settled(), identity(number, project))
            else:
                assert (ended.code, ended.status) == (0, "deployed"), (at, ended)
                assert given.state() == finished(number, project)


@pytest.mark.parametrize(("number", "method", "column", "kind", "letter"), FOR_EVER)
def test_an_rpc_that_fails_from_some_call_on_ends_the_deploy_with_everything_as_it_was(
    tmp_path: Path, ground: Ground, number: int, method: str, column: int, kind: str, letter: str
) -> None:
    project, finding = ground.project(), finding_of(method, kind)
    for at in calls(ground.sent[number], method, column):
        with ground.world(tmp_path / str(at), number) as given:
            fault = given.faults.add(KINDS[kind].fault(method, skip=at, times=None))
            ended = given.deploy(project, number, limits_of(kind))
            assert fault.hit.is_set(), at
            assert (ended.code, ended.status) == (3, "failed"), (at, ended)
            stuck = any("could not be undone" in each.message for each in ended.findings)
            assert stuck == (letter in "uvdU") or letter == "x", (at, ended)
            assert ended.codes == ({finding, "ST706"} if stuck else {finding}), (at, ended)
            given.faults.clear()
            meets(letter, ground.before[number], given.settled(), identity(number, project))
            again = given.deploy(project, number, SMALL)
            assert (again.code, given.state()) == (0, finished(number, project)), (at, again)


@pytest.mark.parametrize("kind", LOSING)
@pytest.mark.parametrize(("number", "method"), [(1, "CreateEndpoint"), *((2, each) for each in dict.fromkeys(SECOND))])
def test_a_change_whose_answers_are_always_lost_is_found_on_the_server(
    tmp_path: Path, ground: Ground, number: int, method: str, kind: str
) -> None:
    with ground.world(tmp_path, number) as given:
        fault = given.faults.add(KINDS[kind].fault(method, when="after", times=None))
        ended = given.deploy(ground.project(), number, limits_of(kind))
        assert fault.hit.is_set()
        assert (ended.code, ended.status) == (0, "deployed"), ended
        assert given.state() == finished(number, ground.project())
        assert given.plane.sent(method) == SHAPES[number][0].count(method)


def test_a_server_that_lists_no_operations_is_deployed_to_all_the_same(tmp_path: Path, ground: Ground) -> None:
    with ground.world(tmp_path, 2) as given:
        given.faults.add(Fault("ListOperations", code=texts.UNIMPLEMENTED, times=None))
        assert given.deploy(ground.project(), 2, SMALL).code == 0
        assert given.state() == finished(2, ground.project())


# ---- Predictions -----------------------------------------------------------------------------------------------------


ONE_PREDICTION = [(at, kind) for at in (0, 60) for kind in KINDS]
# Whose answer nobody may need any more when it comes, so that a refusal of it is not always met.
ONE_PREDICTION += [(at, kind) for at in (3, 205) for kind in KINDS if kind != "denied"]


@pytest.mark.parametrize(("at", "kind"), ONE_PREDICTION)
def test_a_prediction_that_fails_once_is_asked_again(tmp_path: Path, ground: Ground, at: int, kind: str) -> None:
    with ground.world(tmp_path, 2) as given:
        fault = given.faults.add(KINDS[kind].fault("Predict", skip=at))
        ended = given.deploy(ground.project(), 2, limits_of(kind))
        assert fault.hit.is_set()
        if kind == "denied":
            assert (ended.code, ended.status, ended.codes) == (3, "refused", {"ST705"}), ended
            as_before(ground.before[2], given.state())
        else:
            assert (ended.code, ended.status) == (0, "deployed"), ended
            assert given.state() == finished(2, ground.project())


# Where predictions fail from then on, by the change that was made last: the version that does not answer its golden
# images has failed its proof; while two versions are compared, what strikes both alike tells nothing about either.
PREDICTIONS = {"UpdateEndpoint": "ST711", "gate": "ST713", "last": "ST711"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", PREDICTIONS)
def test_predictions_that_fail_for_ever_leave_the_traffic_as_it_was(
    tmp_path: Path, ground: Ground, when: str, kind: str
) -> None:
    project = ground.project(rollout__step_timeout="2.5" if when == "gate" else "20.0")
    with ground.world(tmp_path, 2) as given:
        fault = KINDS[kind].fault("Predict", times=None, skip=60 if when == "gate" else 0)
        if when == "last":
            given.plane.before = _after(given, "UpdateEndpoint", 2, fault)
        else:
            given.faults.add(fault)
        ended = given.deploy(project, 2, limits_of(kind))
        assert fault.hit.is_set()
        finding = "ST705" if kind == "denied" else PREDICTIONS[when]
        status = "inconclusive" if finding == "ST713" else "refused"
        assert (ended.code, ended.status, ended.codes) == (3 if kind == "denied" else 1, status, {finding}), ended
        as_before(ground.before[2], given.state())


def _after(given: World, method: str, times: int, fault: Fault) -> Callable[[str], None]:
    """Order a fault when an RPC was sent so often."""

    def before(_: str) -> None:
        if given.plane.sent(method) == times and fault not in ordered:
            ordered.append(given.faults.add(fault))

    ordered: list[Fault] = []
    return before


# ---- Stages ----------------------------------------------------------------------------------------------------------

STAGES = (
    "PREPARING_MODEL", "CREATING_SERVING_CLUSTER", "ADDING_NODES_TO_CLUSTER", "GETTING_CONTAINER_IMAGE",
    "STARTING_MODEL_SERVER", "FINISHING_UP",
)  # fmt: skip
_LINK = texts.logs_link("123456789012", "us-central1", NAME)
_AGENT = texts.service_agent("123456789012")
_IMAGE = "us-central1-docker.pkg.dev/p/r/i@sha256:" + "0" * 64
_FIELDS = [("deployed_model.dedicated_resources.machine_spec", "n1-standard-4 takes no such accelerator")]
# Text → code, words, finding, exit code: 1 for what the container did, 3 for what its surroundings did.
TEXTS: dict[str, tuple[int, str, str, int]] = {
    "server exited": (9, texts.server_exited(_LINK), "ST701", 1),
    "server terminated": (9, texts.server_terminated("OOMKilled", _LINK), "ST701", 1),
    "never ready": (9, texts.never_ready(_LINK), "ST702", 1),
    "timed out": (4, texts.deployment_timed_out(_LINK), "ST702", 1),
    "image unreadable": (9, texts.image_unreadable(_IMAGE, _AGENT), "ST703", 3),
    "image denied": (7, texts.image_unreadable(_IMAGE, _AGENT), "ST703", 3),
    "artifacts unreadable": (9, texts.artifacts_unreadable("gs://b/x", _AGENT), "ST703", 3),
    "no capacity": (14, texts.NO_CAPACITY, "ST709", 3),
    "internal": (13, texts.INTERNAL_TEXT, "ST706", 3),
    "cancelled": (1, texts.CANCELLED_TEXT, "ST708", 3),
    "quota": (8, texts.quota_exceeded(["aiplatform.googleapis.com/custom_model_serving_cpus"]).message, "ST704", 3),
    "denied": (7, texts.denied("aiplatform.endpoints.deploy", "projects/p").message, "ST705", 3),
    "disabled": (7, texts.disabled("aiplatform.googleapis.com", "Vertex AI API", "1").message, "ST721", 3),
    "found errors": (3, texts.found_errors(_FIELDS).message, "ST707", 3),
    "version is gone": (5, texts.not_found("Model", "projects/p/models/m@2").message, "ST707", 3),
    "stale": (10, texts.stale_etag("projects/p/endpoints/e").message, "ST706", 3),
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
    "fields": (3, texts.found_errors([("model.labels", "lower case"), ("model_id", "too long")]).message, "ST707", 3),
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
    [("ListModelVersions", 3), ("GetModel", 5), ("MergeVersionAliases", 0), ("UpdateEndpoint", 0), ("Predict", 0)],
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


# ---- Real time, and real processes -----------------------------------------------------------------------------------


def test_calls_that_are_never_answered_are_given_up_after_their_real_limits(tmp_path: Path, ground: Ground) -> None:
    project = ground.project(rollout__step_timeout="900.0")

    def silenced(method: str) -> tuple[str, Ended, State, float]:
        with ground.world(tmp_path / method, 2) as given:
            began = time.monotonic()
            given.faults.add(Fault(method, silence=True))
            ended = given.deploy(project, 2, LOCAL)
            return method, ended, given.state(), time.monotonic() - began

    methods = ("GetEndpoint", "ListModelVersions", "GetOperation", "UpdateEndpoint", "DeployModel", "Predict")
    with ThreadPoolExecutor(len(methods)) as pool:
        for method, ended, after, seconds in pool.map(silenced, methods):
            assert (ended.code, ended.status) == (0, "deployed"), (method, ended)
            assert after == finished(2, project)
            assert seconds > LOCAL.call - 1


def test_the_command_ends_with_the_same_codes(copied: Callable[[str], Path], tmp_path: Path) -> None:
    with rehearsing(copied("tests/projects/packaged-transform"), tmp_path / "state") as real:
        assert real.deploy().code == 0
        before = real.state
        real.change("retrained")
        sample: list[tuple[list[Fault], int, str, set[str], tuple[str, ...]]] = [
            ([Fault("UploadModel", code=7, message=_DENIED, times=None)], 3, "failed", {"ST705"}, ()),
            ([Fault("ListModelVersions", code=13, message="Internal error encountered.", times=None)], 3, "failed",
             {"ST706"}, ()),
            ([Fault(stage="UploadModel", error=UPLOADS["fields"][:2])], 3, "failed", {"ST707"}, ()),
            ([Fault(stage="ADDING_NODES_TO_CLUSTER", error=TEXTS["no capacity"][:2])], 3, "failed", {"ST709"}, ()),
            ([Fault(stage="STARTING_MODEL_SERVER", error=TEXTS["never ready"][:2]), Fault(empty_logs=True)], 1,
             "failed", {"ST702"}, ()),
            ([Fault(quota={"custom_model_serving_cpus": 1})], 3, "refused", {"ST724"}, ()),
            ([Fault("Predict", code=7, message=_DENIED, times=None)], 3, "refused", {"ST705"}, ()),
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
