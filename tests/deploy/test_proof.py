from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.proof import prove
from seatrial.deploy.requests import Limits, questions
from seatrial.facts.gather import Gathered
from seatrial.findings import Severity
from tests.deploy.golden_project import failing, golden_project, right, wrong
from tests.deploy.live_endpoint import FORMER, NEW, live
from tests.small_project import small_project
from tests.stages import ended

LIMITS = Limits(seconds=60, settle=0)
INTERNAL, INVALID, UNAVAILABLE, DENIED = 13, 3, 14, 7


def test_every_golden_input_is_asked_until_the_new_version_has_answered_it(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 6)
    with live(tmp_path, {NEW: 10, FORMER: 90}, {NEW: right, FORMER: right}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    proof = end.value
    assert end.findings == []
    assert proof.proven
    assert (proof.inputs, proof.answered, proof.compared) == (6, 6, proof.compared)
    assert proof.compared >= 6
    assert set(proof.others) == {FORMER}
    assert proof.requests == proof.others[FORMER] + proof.compared
    assert proof.drift == 0.0
    (line,) = proof.unproven
    assert line.startswith("parity with training: it is not known how the golden answers were recorded")


def test_a_dedicated_endpoint_is_asked_at_its_own_door(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 2)
    with live(tmp_path, {NEW: 100}, {NEW: right}, dedicated=True) as (platform, endpoint):
        assert endpoint.host
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.proven) == ([], True)


def test_an_answer_other_than_trainings_is_found_with_both_numbers(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 6)
    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: wrong, FORMER: right}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert not end.value.proven
    assert end.codes == ["ST710"]
    assert len(end.errors) == 3
    evidence = end.errors[0].evidence
    assert evidence[0] == f"answered by deployed model {NEW}"
    assert [line.split(":")[0] for line in evidence[1:]] == ["recorded", "answered", "largest difference"]


def test_a_wrong_label_is_found_with_both_labels(tmp_path: Path) -> None:
    files = {"artifacts/golden/golden.json": json.dumps([{"instance": 1, "label": "cat"}])}
    project = small_project(tmp_path, {**files})
    with live(tmp_path, {NEW: 100}, {NEW: lambda _: ["dog"]}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST710"]
    assert end.errors[0].evidence[1:] == ("recorded: label cat", "answered: dog")


def test_what_the_former_version_answers_is_not_held_against_the_new_one(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 4)
    with live(tmp_path, {NEW: 20, FORMER: 80}, {NEW: right, FORMER: wrong}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.proven) == ([], True)


def test_an_input_that_only_the_former_version_fails_on_is_proven(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 3)
    servers = {NEW: right, FORMER: failing(INVALID, "no such instance", only=1)}
    with live(tmp_path, {NEW: 10, FORMER: 90}, servers) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.proven) == ([], True)


def test_an_input_that_the_new_version_fails_on_is_found_though_errors_name_no_version(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 3)
    servers = {NEW: failing(INTERNAL, "Object of type Tensor is not JSON serializable", only=1), FORMER: right}
    with live(tmp_path, {NEW: 30, FORMER: 70}, servers) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST711"]
    finding = end.errors[0]
    assert finding.subject == "instance {'n': 1}"
    assert finding.cause == "ST521: the answer holds a Tensor, which is not JSON; use .tolist() or .item()"
    assert finding.evidence[0].startswith("an error does not name its deployed model")
    assert "Object of type Tensor" in finding.evidence[1]
    assert not end.value.proven


def test_a_lone_version_that_fails_on_everything_is_found(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 3)
    with live(tmp_path, {NEW: 100}, {NEW: failing(INVALID, "nothing will do")}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST711"]
    assert "nothing will do" in end.errors[0].message
    assert (end.value.answered, end.value.requests, end.value.errors) == (0, 5, 5)


def test_failures_that_pass_are_outlived(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 3)
    with live(tmp_path, {NEW: 100}, {NEW: failing(UNAVAILABLE, "not yet", first=3)}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.proven, end.value.errors) == ([], True, 3)


def test_a_version_whose_share_has_not_arrived_yet_is_not_blamed_for_the_errors_of_others(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 1)
    servers = {NEW: right, FORMER: failing(INVALID, "no such instance")}
    with live(tmp_path, {FORMER: 100}, servers) as (platform, endpoint):
        endpoint = replace(endpoint, traffic_split={NEW: 90, FORMER: 10})
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=Limits(seconds=3, settle=60)))
    assert end.codes == ["ST713"]
    assert "no such instance" in end.errors[0].evidence[1]
    assert end.steps[0].startswith(f"0 of 1 golden inputs answered by deployed model {NEW}, ")


def test_too_few_answers_are_no_proof(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 6)
    with live(tmp_path, {FORMER: 100}, {FORMER: right}) as (platform, endpoint):
        endpoint = replace(endpoint, traffic_split={NEW: 10, FORMER: 90})
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=replace(LIMITS, requests=20)))
    assert end.codes == ["ST713"]
    assert end.errors[0].evidence == (f"answers: 20 by {FORMER}; errors: 0",)
    assert (end.value.proven, end.value.answered, end.value.requests) == (False, 0, 20)


def test_a_version_without_traffic_is_not_asked(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 2)
    with live(tmp_path, {FORMER: 100}, {FORMER: right}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST713"]
    assert (end.value.proven, end.value.requests) == (False, 0)


def test_a_deployer_who_may_not_ask_is_told_so(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 2)
    text = "Permission 'aiplatform.endpoints.predict' denied"
    with live(tmp_path, {NEW: 100}, {NEW: failing(DENIED, text)}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST705"]
    assert text in end.errors[0].message
    assert (end.value.proven, end.value.errors) == (False, 1)


def test_without_golden_examples_samples_are_answered_and_the_proof_says_what_that_lacks(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 0)
    with live(tmp_path, {NEW: 100}, {NEW: lambda instances: ["cat" for _ in instances]}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert [f for f in end.findings if f.severity is Severity.ERROR] == []
    assert (end.value.proven, end.value.inputs) == (True, 3)
    assert end.value.unproven == ("that live answers equal training's: there are no golden answers",)


def test_without_golden_examples_a_predictor_with_its_own_format_is_not_asked(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 0)
    with live(tmp_path, {NEW: 100}, {NEW: right}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), interface="cpr", limits=LIMITS))
    assert (end.findings, end.value.proven, end.value.requests) == ([], False, 0)
    assert end.value.unproven == (
        "any live prediction: what a predictor of interface cpr accepts, only golden answers say",
    )


@pytest.mark.parametrize("answer", [7, 7.0, {"label": 7.0}])
def test_a_label_that_is_a_number_survives_an_api_that_knows_floats_only(tmp_path: Path, answer: Any) -> None:
    recorded = answer["label"] if isinstance(answer, dict) else answer
    files = {"artifacts/golden/golden.json": json.dumps([{"instance": {"n": 1}, "label": recorded}])}
    project = small_project(tmp_path, {**files})
    with live(tmp_path, {NEW: 100}, {NEW: lambda _: [answer]}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.proven) == ([], True)


def test_where_a_share_is_small_inputs_are_asked_in_groups(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 24)
    groups = questions(project, interface="batched", at_most=10)
    assert [len(group.examples) for group in groups] == [3] * 8
    assert [instance["n"] for group in groups for instance in group.instances] == list(range(24))
    with live(tmp_path, {NEW: 1, FORMER: 99}, {NEW: wrong, FORMER: right}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST710"]
    assert end.errors[0].subject.endswith(", in a batch")


def test_an_answer_with_another_number_of_predictions_is_wrong(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 1)
    with live(tmp_path, {NEW: 100}, {NEW: lambda instances: right(instances) * 2}) as (platform, endpoint):
        end = ended(prove(platform, endpoint, NEW, Gathered(project), limits=LIMITS))
    assert end.codes == ["ST710"]
    assert end.errors[0].message == "instance {'n': 0}: 2 predictions for 1 instances"
