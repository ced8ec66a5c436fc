from __future__ import annotations

import itertools
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.gate import gate
from seatrial.deploy.requests import Limits
from seatrial.deploy.split import split_for
from seatrial.deploy.statistics import Latency, blame, percentile, too_slow
from tests.deploy.faulted import shorten
from tests.deploy.golden_project import failing, golden_project, right, slow, wrong
from tests.deploy.live_endpoint import FORMER, NEW, THIRD, live
from tests.stages import ended

LIMITS = Limits(seconds=60, settle=0)
INTERNAL, DENIED = 13, 7


def _splits(names: str) -> list[dict[str, int]]:
    """Give many splits of 100 over the names: in steps, and with the corners where shares are 0 or 1."""
    values = (0, 1, 2, 3, 17, 33, 34, 50, 66, 97, 98, 99, 100)
    return [
        dict(zip(names, shares, strict=True))
        for shares in itertools.product(values, repeat=len(names))
        if sum(shares) == 100
    ]


@pytest.mark.parametrize("names", ["a", "ab", "abc", "abcd", "na", "nab"])
def test_a_split_is_whole_sums_up_to_100_and_leaves_nobody_out(names: str) -> None:
    for former, percent in itertools.product(_splits(names), range(1, 101)):
        others = {name: share for name, share in former.items() if share and name != "n"}
        if others and percent != 100 and 100 - percent < len(others):
            continue
        split = split_for(former, "n", percent)
        assert sum(split.values()) == 100, (former, percent)
        assert all(isinstance(share, int) and share > 0 for share in split.values())
        assert set(split) == ({"n"} if percent == 100 or not others else {"n", *others})
        assert split["n"] == (percent if others else 100)


@pytest.mark.parametrize("names", ["ab", "abc", "abcd"])
def test_others_keep_their_proportions_within_one_percent(names: str) -> None:
    for former, percent in itertools.product(_splits(names), range(1, 90)):
        others = {name: share for name, share in former.items() if share}
        if min(others.values()) * (100 - percent) / 100 < 1:
            continue
        split = split_for(former, "n", percent)
        for name, share in others.items():
            assert abs(split[name] - share * (100 - percent) / 100) < 1, (former, percent, split)


@pytest.mark.parametrize("names", ["abc", "abcd"])
def test_who_had_more_never_gets_less(names: str) -> None:
    for former, percent in itertools.product(_splits(names), range(1, 97)):
        split = split_for(former, "n", percent)
        for one, other in itertools.permutations(set(split) - {"n"}, 2):
            assert former[one] <= former[other] or split[one] >= split[other], (former, percent, split)


def test_a_share_that_leaves_others_nothing_or_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        split_for({"a": 50, "b": 50}, "n", 99)
    for percent in (0, -1, 101):
        with pytest.raises(ValueError, match="not in 1 to 100"):
            split_for({"a": 100}, "n", percent)


@pytest.mark.parametrize(
    ("counts", "share", "whose"),
    [
        ((100, 100, 0), 0.5, "nobody"),
        ((100, 100, 2), 0.5, "nobody"),  # within the rate allowed
        ((0, 100, 100), 0.5, "new"),
        ((100, 0, 100), 0.5, "former"),
        ((50, 100, 50), 0.5, "new"),
        ((100, 50, 50), 0.5, "former"),
        ((80, 80, 40), 0.5, "unclear"),  # both alike: what lies between us and them
        ((0, 0, 200), 0.5, "unclear"),
        ((0, 180, 20), 0.1, "new"),
        ((20, 20, 160), 0.1, "former"),
        ((3, 0, 4), 0.5, "unclear"),  # a moment's outage
        ((18, 162, 20), 0.1, "unclear"),
        ((150, 0, 50), 1.0, "unclear"),
    ],
)
def test_whose_answers_are_missing_is_who_failed(counts: tuple[int, int, int], share: float, whose: str) -> None:
    new, former, errors = counts
    assert blame(new=new, former=former, errors=errors, share=share, max_error_rate=0.01) == whose


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([5.0, 1.0, 4.0, 2.0, 3.0], p) for p in (50, 95, 100)] == [3.0, 5.0, 5.0]
    assert percentile([float(n) for n in range(1, 101)], 95) == 95.0
    assert percentile([7.0], 50) == 7.0


@pytest.mark.parametrize(
    ("new", "former", "slower"),
    [(0.150, 0.100, False), (0.199, 0.100, False), (0.201, 0.100, True), (0.040, 0.002, False), (0.060, 0.002, True)],
)
def test_slower_is_more_than_the_ratio_and_what_chance_adds(new: float, former: float, slower: bool) -> None:
    assert too_slow(Latency(50, new, new), Latency(50, former, former), 1.5) is slower
    assert not too_slow(Latency(50, new, new), Latency(), 1.5)


def test_a_gate_opens_after_50_right_answers_of_each_and_200_in_all(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 30, FORMER: 70}, {NEW: right, FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))
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
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))
    assert (end.codes, end.value.passed) == (["ST710"], False)


def test_the_former_versions_answers_are_not_compared_with_the_new_ones_training(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: right, FORMER: wrong}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))
    assert (end.findings, end.value.passed) == ([], True)


def test_a_gate_stays_shut_when_the_new_version_fails(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: failing(INTERNAL, "out of memory", every=2), FORMER: right}
    with live(tmp_path, {NEW: 50, FORMER: 50}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.blame) == (["ST711"], False, "new")
    assert "out of memory" in end.errors[0].message
    assert end.errors[0].evidence[0].startswith("an error does not name its deployed model")


def test_a_gate_opens_when_only_the_former_version_fails(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: right, FORMER: failing(INTERNAL, "out of memory", every=2)}
    with live(tmp_path, {NEW: 50, FORMER: 50}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))
    assert (end.findings, end.value.passed, end.value.blame) == ([], True, "former")
    assert end.value.line().endswith("the former version's errors")


def test_errors_of_both_alike_blame_neither_and_shift_nothing(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: failing(INTERNAL, "no route", every=5), FORMER: failing(INTERNAL, "no route", every=5)}
    with live(tmp_path, {NEW: 50, FORMER: 50}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=replace(LIMITS, requests=300)))
    assert (end.codes, end.value.passed, end.value.blame) == (["ST713"], False, "unclear")
    assert end.value.requests == 300
    assert "no route" in end.errors[0].evidence[0]


def test_a_lone_version_answers_for_every_error(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: failing(INTERNAL, "out of memory", every=5)}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [], project, limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.blame) == (["ST711"], False, "new")


def test_a_lone_version_that_answers_nothing_is_found_long_before_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, answer=20.0)
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: failing(INTERNAL, "out of memory")}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [], project, limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.requests) == (["ST711"], False, 8)


def test_a_lone_version_is_judged_by_200_answers_of_its_own(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))  # the former has no traffic left
    assert (end.findings, end.value.passed, end.value.former) == ([], True, Latency())
    assert end.value.new.answers == 200


def test_a_gate_stays_shut_for_a_slower_version(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 40, FORMER: 60}, {NEW: slow(0.4), FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=replace(LIMITS, in_flight=16)))
    assert (end.codes, end.value.passed) == (["ST712"], False)
    assert end.value.new.p50 >= 0.4


def test_answers_by_a_third_deployed_model_count_for_neither(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    servers = {NEW: right, FORMER: right, THIRD: wrong}
    with live(tmp_path, {NEW: 40, FORMER: 40, THIRD: 20}, servers) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=LIMITS))
    seen = end.value
    assert (end.findings, seen.passed, set(seen.others)) == ([], True, {THIRD})
    assert seen.new.answers + seen.former.answers >= 200
    assert seen.requests == seen.new.answers + seen.former.answers + seen.others[THIRD]


def test_too_few_answers_shift_nothing_and_the_fix_names_the_share_that_would_do(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 10, FORMER: 90}, {NEW: right, FORMER: right}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=replace(LIMITS, requests=100)))
    assert (end.codes, end.value.passed, end.value.requests) == (["ST713"], False, 100)
    assert end.errors[0].fix.endswith("begin `vertex.rollout.steps` with 80 or more")


def test_a_deployer_who_may_not_ask_is_told_so(tmp_path: Path) -> None:
    project = golden_project(tmp_path)
    with live(tmp_path, {NEW: 100}, {NEW: failing(DENIED, "Permission denied")}) as (platform, endpoint):
        end = ended(gate(platform, endpoint, NEW, [], project, limits=LIMITS))
    assert (end.codes, end.value.passed, end.value.requests) == (["ST705"], False, 1)


def test_nothing_to_ask_or_no_traffic_is_no_reason_to_shift_more(tmp_path: Path) -> None:
    project = golden_project(tmp_path, 0)
    with live(tmp_path, {NEW: 50, FORMER: 50}, {NEW: right, FORMER: right}) as (platform, endpoint):
        mute = ended(gate(platform, endpoint, NEW, [FORMER], project, interface="ai-platform", limits=LIMITS))
        away = ended(gate(platform, endpoint, THIRD, [FORMER], golden_project(tmp_path), limits=LIMITS))
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
        end = ended(gate(platform, endpoint, NEW, [FORMER], project, limits=replace(LIMITS, settle=2)))
    assert (end.findings, end.value.passed) == ([], True)
