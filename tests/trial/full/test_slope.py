"""What counts as a rise: series as allocators, pools and leaks make them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from seatrial.trial.full.slope import rise

AT = range(100, 500, 4)
FLOOR = 1_000_000


def series(value: Callable[[int], float], noise: int = 0) -> list[tuple[int, int]]:
    chance = random.Random(7)  # noqa: S311 - noise
    return [(at, int(value(at)) + chance.randint(-noise, noise)) for at in AT]


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (lambda at: at * 20_000_000, 20_000_000),
        (lambda at: 50_000_000 + at * 10_000, 10_000),
        (lambda at: at // 10 * 100_000, 10_000),  # in steps, as an allocator grows
    ],
)
def test_a_steady_rise_is_found_with_its_rate(value: Callable[[int], float], rate: float) -> None:
    found = rise(series(value, noise=20_000), FLOOR)
    assert found is not None
    assert found.rate == pytest.approx(rate, rel=0.05)
    assert found.requests == 396


@pytest.mark.parametrize(
    "value",
    [
        lambda _: 0,
        lambda at: 5_000_000 * (at > 300),  # one step: a library that was loaded late
        lambda at: 8_000_000 * min(1, at / 250),  # a pool that fills and then is full
        lambda at: 8_000_000 * (1 - 0.985**at),  # what settles
        lambda at: (at % 100) * 100_000,  # what a collection frees now and then
        lambda at: at * 1_000,  # less than the floor
    ],
)
def test_what_settles_jumps_or_comes_and_goes_is_no_rise(value: Callable[[int], float]) -> None:
    assert rise(series(value, noise=200_000), FLOOR) is None


def test_a_rise_within_the_noise_is_none() -> None:
    assert rise(series(lambda at: at * 10_000, noise=5_000_000), FLOOR) is None


def test_what_must_double_does_so_from_the_first_point() -> None:
    points = series(lambda at: 2_000_000 + at * 10_000)
    assert rise(points, FLOOR, doubles=True)
    assert rise([(at, 2_000_000 + value) for at, value in points], FLOOR)
    assert rise([(at, 2_000_000 + value) for at, value in points], FLOOR, doubles=True) is None


def test_a_few_points_show_nothing() -> None:
    assert rise([(0, 0), (1, 20_000_000)], FLOOR) is None
