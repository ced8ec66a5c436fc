"""All cores or one thread: what was quicker stays, and the other is tried again now and then."""

from __future__ import annotations

import pytest

from seatrial.serving.threads import LoneThreads


def counts(threads: LoneThreads, seconds: dict[int, float], predictions: int) -> list[int]:
    chosen = []
    for _ in range(predictions):
        chosen.append(threads.choose())
        threads.note(chosen[-1], seconds[chosen[-1]])
    return chosen


@pytest.mark.parametrize("quicker", [1, 8])
def test_both_are_tried_and_the_quicker_stays(quicker: int) -> None:
    threads = LoneThreads(8)
    seconds = {8: 0.011, 1: 0.011} | {quicker: 0.010}
    assert counts(threads, seconds, 10) == [8, 1] * 5
    assert counts(threads, seconds, 400).count(9 - quicker) == 5  # the 8th, then after 16, 32, 64 and 128 more
    assert counts(threads, seconds, 1000).count(9 - quicker) == 5  # after 200 more each


@pytest.mark.parametrize("quicker", [1, 8])
def test_few_tries_are_enough_where_one_is_far_quicker(quicker: int) -> None:
    seconds = {8: 0.02, 1: 0.02} | {quicker: 0.01}
    assert counts(LoneThreads(8), seconds, 11) == [8, 1, 8, 1] + [quicker] * 7


def test_one_slow_first_prediction_decides_nothing() -> None:
    threads = LoneThreads(8)
    threads.note(8, 3.0)
    assert counts(threads, {8: 0.01, 1: 0.02}, 30)[-1] == 8


def test_first_tries_that_were_slow_decide_only_for_a_moment() -> None:
    threads = LoneThreads(8)
    counts(threads, {8: 0.09, 1: 0.02}, 4)
    assert counts(threads, {8: 0.01, 1: 0.02}, 9)[-1] == 8


def test_when_predictions_change_the_other_number_takes_over() -> None:
    threads = LoneThreads(8)
    counts(threads, {8: 0.02, 1: 0.01}, 20)
    chosen = counts(threads, {8: 0.02, 1: 0.09}, 2000)
    assert chosen[-1] == 8


def test_on_one_core_there_is_nothing_to_choose() -> None:
    assert set(counts(LoneThreads(1), {1: 0.01}, 300)) == {1}
