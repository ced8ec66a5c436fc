"""Every RPC of a whole deploy with all that can go wrong there, and what must come of it.

A fault that strikes once is survived. One that goes on ends the deploy with its finding, and with everything as it was
before, as long as the way back is open: until the former version is being retired.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.vertex.target import TARGETS
from seatrial.emulator.api import refusals
from seatrial.emulator.api.faults import Fault
from tests.deploy.faulted import (
    CHANGES,
    KINDS,
    LOSING,
    SMALL,
    Ground,
    as_before,
    begun,
    finished,
    identity,
    limits_of,
    meets,
    shorten,
)
from tests.deploy.in_process import Ended, State, World

pytestmark = pytest.mark.proof


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return begun(tmp_path_factory.mktemp("ground"))


@pytest.fixture(autouse=True)
def _short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    name = request.node.name
    if "real_limits" not in name:
        # Only where a prediction is never answered is its time limit waited out; else a busy machine would not keep it.
        shorten(monkeypatch, answer=0.4 if "silence" in name and "prediction" in name else 20.0)


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
    "GetModel":            "bb..bdd.",
    "ListModelVersions":   "bbb.....",
    "ListOperations":      "bb....c.",
    "GetOperation":        ".bu....c",
    "UploadModel":         "b.......",
    "DeployModel":         ".b......",
    "UpdateEndpoint":      "..bU...c",
    "MergeVersionAliases": "....bd..",
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


def calls(sent: Sequence[str], method: str, column: int) -> list[int]:
    """Return which calls of an RPC, the first being 0, come after so many changes."""
    changes = [sum(each in CHANGES for each in sent[:at]) for at in range(len(sent))]
    own = [changed for each, changed in zip(sent, changes, strict=True) if each == method]
    return [number for number, changed in enumerate(own) if changed == column]


def finding_of(method: str, kind: str) -> str:
    """Return the finding of a failure that goes on; polls that fail say nothing about what they poll."""
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
            assert fault.hit.is_set(), (at, ended)
            if kind == "denied" and method != "ListOperations":
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
    needless = (method, kind) == ("ListOperations", "denied")  # what runs is then found by what it leaves
    for at in calls(ground.sent[number], method, column):
        with ground.world(tmp_path / str(at), number) as given:
            fault = given.faults.add(KINDS[kind].fault(method, skip=at, times=None))
            ended = given.deploy(project, number, limits_of(kind))
            assert fault.hit.is_set(), (at, ended)
            if needless:
                assert (ended.code, given.state()) == (0, finished(number, project)), (at, ended)
                continue
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
        assert fault.hit.is_set(), ended
        assert (ended.code, ended.status) == (0, "deployed"), ended
        assert given.state() == finished(number, ground.project())
        assert given.plane.sent(method) == SHAPES[number][0].count(method)


def test_a_server_that_lists_no_operations_is_deployed_to_all_the_same(tmp_path: Path, ground: Ground) -> None:
    with ground.world(tmp_path, 2) as given:
        given.faults.add(Fault("ListOperations", code=refusals.UNIMPLEMENTED, times=None))
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
        assert fault.hit.is_set(), ended
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
        assert fault.hit.is_set(), ended
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


# ---- Real time ------------------------------------------------------------------------------------------------------


def test_calls_that_are_never_answered_are_given_up_after_their_real_limits(tmp_path: Path, ground: Ground) -> None:
    project = ground.project(rollout__step_timeout="900.0")

    def silenced(method: str) -> tuple[str, Ended, State, float]:
        with ground.world(tmp_path / method, 2) as given:
            began = time.monotonic()
            given.faults.add(Fault(method, silence=True))
            ended = given.deploy(project, 2, TARGETS["local"].limits)
            return method, ended, given.state(), time.monotonic() - began

    methods = ("GetEndpoint", "ListModelVersions", "GetOperation", "UpdateEndpoint", "DeployModel", "Predict")
    with ThreadPoolExecutor(len(methods)) as pool:
        for method, ended, after, seconds in pool.map(silenced, methods):
            assert (ended.code, ended.status) == (0, "deployed"), (method, ended)
            assert after == finished(2, project)
            assert seconds > TARGETS["local"].limits.call - 1
