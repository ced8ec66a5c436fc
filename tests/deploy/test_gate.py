from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.gate import gate
from seatrial.deploy.requests import Limits
from seatrial.deploy.statistics import Latency
from seatrial.facts.gather import Gathered
from tests.deploy.faulted import shorten
from tests.deploy.golden_project import failing, golden_project, right, slow, wrong
from tests.deploy.live_endpoint import FORMER, NEW, THIRD, live
from tests.stages import ended

LIMITS = Limits(seconds=60, settle=0)
INTERNAL, DENIED = 13, 7


def test_a_gate_opens_after_50_right_answers_of_each_and_200_in_all(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 30, FORMER: 70}, {NEW: right, FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    seen = end.value
    assert (end.findings, seen.passed) == ([], True)
    assert seen.new.answers >= 50
    assert seen.former.answers >= 50
    assert seen.new.answers + seen.former.answers >= 200
    assert (seen.requests, seen.errors, seen.blame) == (seen.new.answers + seen.former.answers, 0, "nobody")
    assert 0 < seen.new.p50 <= seen.new.p95
    assert asdict(seen)["new"]["answers"] == seen.new.answers
    assert seen.line().startswith(f"at 30 %: new version {seen.new.answers} answers, p50 ")


def test_a_gate_stays_shut_for_answers_other_than_trainings(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 30, FORMER: 70}, {NEW: wrong, FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    assert (end.codes, end.value.passed) == (["ST710"], False)


def test_the_former_versions_answers_are_not_compared_with_the_new_ones_training(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: right, FORMER: wrong}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.passed) == ([], True)


def test_a_gate_stays_shut_when_the_new_version_fails(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: failing(INTERNAL, "out of memory", every=2), FORMER: right}
    with live(tmp_path, {NEW: 50, FORMER: 50}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.blame) == (["ST711"], False, "new")
    assert "out of memory" in end.errors[0].message
    assert end.errors[0].evidence[0].startswith("an error does not name its deployed model")


def test_a_gate_opens_when_only_the_former_version_fails(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: right, FORMER: failing(INTERNAL, "out of memory", every=2)}
    with live(tmp_path, {NEW: 50, FORMER: 50}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.passed, end.value.blame) == ([], True, "former")
    assert end.value.line().endswith("the former version's errors")


def test_errors_of_both_alike_blame_neither_and_shift_nothing(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: failing(INTERNAL, "no route", every=5), FORMER: failing(INTERNAL, "no route", every=5)}
    with live(tmp_path, {NEW: 50, FORMER: 50}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=replace(LIMITS, requests=300)))
    assert (end.codes, end.value.passed, end.value.blame) == (["ST713"], False, "unclear")
    assert end.value.requests == 300
    assert "no route" in end.errors[0].evidence[0]


def test_a_lone_version_answers_for_every_error(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: failing(INTERNAL, "out of memory", every=5)}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [], Gathered(project), limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.blame) == (["ST711"], False, "new")


def test_a_lone_version_that_answers_nothing_is_found_long_before_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, answer=20.0)
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: failing(INTERNAL, "out of memory")}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [], Gathered(project), limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.requests) == (["ST711"], False, 8)


def test_a_lone_version_is_judged_by_200_answers_of_its_own(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: right}) as (platform, endpoint):
        # The former has no traffic left.
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    assert (end.findings, end.value.passed, end.value.former) == ([], True, Latency())
    assert end.value.new.answers == 200


def test_a_gate_stays_shut_for_a_slower_version(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 40, FORMER: 60}, {NEW: slow(0.4), FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=replace(LIMITS, in_flight=16)))
    assert (end.codes, end.value.passed) == (["ST712"], False)
    assert end.value.new.p50 >= 0.4


def test_answers_by_a_third_deployed_model_count_for_neither(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: right, FORMER: right, THIRD: wrong}
    with live(tmp_path, {NEW: 40, FORMER: 40, THIRD: 20}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=LIMITS))
    seen = end.value
    assert (end.findings, seen.passed, set(seen.others)) == ([], True, {THIRD})
    assert seen.new.answers + seen.former.answers >= 200
    assert seen.requests == seen.new.answers + seen.former.answers + seen.others[THIRD]


def test_too_few_answers_shift_nothing_and_the_fix_names_the_share_that_would_do(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 10, FORMER: 90}, {NEW: right, FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=replace(LIMITS, requests=100)))
    assert (end.codes, end.value.passed, end.value.requests) == (["ST713"], False, 100)
    assert end.errors[0].fix.endswith("begin `vertex.rollout.steps` with 80 or more")


def test_a_deployer_who_may_not_ask_is_told_so(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: failing(DENIED, "Permission denied")}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [], Gathered(project), limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.requests) == (["ST705"], False, 1)


def test_nothing_to_ask_or_no_traffic_is_no_reason_to_shift_more(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 0)
    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: right, FORMER: right}) as (platform, endpoint):
        mute = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), interface="ai-platform", limits=LIMITS))
        away = ended(gate(platform, endpoint, THIRD, [FORMER], Gathered(golden_project(tmp_path)), limits=LIMITS))
    for end in (mute, away):
        assert (end.codes, end.value.passed, end.value.requests) == (["ST713"], False, 0)


def test_errors_of_a_time_when_the_split_had_not_arrived_are_forgotten(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    fails, end_of_cold = failing(INTERNAL, "cold", every=2), [0.0]

    def cold_at_first(instances: list[Any]) -> list[Any]:
        return fails(instances) if time.monotonic() < end_of_cold[0] else right(instances)

    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: right, FORMER: cold_at_first}) as (platform, endpoint):
        endpoint = replace(
            endpoint, traffic_split={NEW: 95, FORMER: 5}
        )  # so that the new version's answers look missing
        end_of_cold[0] = time.monotonic() + 1
        end = ended(gate(platform, endpoint, NEW, [FORMER], Gathered(project), limits=replace(LIMITS, settle=2)))
    assert (end.findings, end.value.passed) == ([], True)
