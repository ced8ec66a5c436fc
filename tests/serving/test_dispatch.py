"""Which instances go to which worker, and when: the queue in this process, with workers that only note their jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from seatrial.serving.dispatch import Dispatch
from seatrial.serving.frames import Job, Result
from seatrial.serving.refusal import AnswerError, BusyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Lane:
    """A worker that answers what it is told to."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def send(self, job: Job) -> None:
        self.jobs.append(job)

    @property
    def last(self) -> list[tuple[int, int]]:
        return [(item.request, item.index) for item in self.jobs[-1].items]

    async def begun(self, jobs: int) -> None:
        """Wait until so many jobs were sent."""
        while len(self.jobs) < jobs:
            await asyncio.sleep(0)

    def results(self) -> list[Result]:
        return [Result(200, item.data.upper()) for item in self.jobs[-1].items]


def queue(lanes: int = 1, *, max_batch: int = 4, max_waiting: int = 100) -> tuple[Dispatch, list[Lane]]:
    dispatch = Dispatch(max_batch=max_batch, max_waiting=max_waiting, cores=8)
    made = [Lane() for _ in range(lanes)]
    for lane in made:
        dispatch.add(lane)
    return dispatch, made


def asynchronous(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 20))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@asynchronous
async def test_a_lone_instance_goes_at_once_and_gets_all_cores() -> None:
    dispatch, lanes = queue(2)
    request = dispatch.submit([b"a"], b'{"k": 1}')
    (job,) = lanes[0].jobs
    assert (job.threads, job.parameters, job.items[0].data) == (8, b'{"k": 1}', b"a")
    dispatch.done(lanes[0], lanes[0].results())
    assert await request.answer == [b"A"]


@asynchronous
async def test_the_worker_that_was_busy_last_is_the_next() -> None:
    dispatch, lanes = queue(3)
    for _ in range(2):
        request = dispatch.submit([b"a"])
        dispatch.done(lanes[0], lanes[0].results())
        dispatch.withdraw(request)
        await request.answer
    assert [len(lane.jobs) for lane in lanes] == [2, 0, 0]


@asynchronous
async def test_nothing_writes_out_what_a_request_holds() -> None:
    dispatch, _ = queue()
    request = dispatch.submit([bytes(100_000)])
    assert len(repr(request)) < 1000  # errors and asyncio's own messages contain it


@asynchronous
async def test_a_request_of_at_most_a_batch_stays_together() -> None:
    dispatch, lanes = queue(2)
    first, second = dispatch.submit([b"a"] * 4), dispatch.submit([b"b"] * 3)
    assert [lane.last for lane in lanes] == [[(1, 0), (1, 1), (1, 2), (1, 3)], [(2, 0), (2, 1), (2, 2)]]
    for lane in lanes:
        dispatch.done(lane, lane.results())
    assert (await first.answer, await second.answer) == ([b"A"] * 4, [b"B"] * 3)


@asynchronous
async def test_a_larger_request_goes_in_whole_batches_to_all_workers_and_is_answered_in_order() -> None:
    dispatch, lanes = queue(2, max_batch=3)
    request = dispatch.submit([b"a", b"b", b"c", b"d"])
    assert [(len(lane.jobs[0].items), lane.jobs[0].threads) for lane in lanes] == [(3, 4), (1, 4)]
    dispatch.done(lanes[1], lanes[1].results())
    assert not request.answer.done()
    dispatch.done(lanes[0], lanes[0].results())
    assert await request.answer == [b"A", b"B", b"C", b"D"]


@asynchronous
async def test_a_large_request_and_small_ones_take_turns() -> None:
    dispatch, (lane,) = queue(max_batch=4)
    dispatch.submit([b"x"] * 100)
    for _ in range(3):
        dispatch.submit([b"y"])
    taken = []
    for jobs in range(2, 5):
        dispatch.done(lane, lane.results())
        await lane.begun(jobs)
        taken.append({request for request, _ in lane.last})
    assert taken == [{1}, {2, 3, 4}, {1}]


@asynchronous
async def test_what_does_not_fit_into_a_batch_is_first_in_the_next() -> None:
    dispatch, (lane,) = queue(max_batch=4)
    dispatch.submit([b"held"])
    for size in (3, 2, 1, 1):
        dispatch.submit([b"x"] * size)
    dispatch.done(lane, lane.results())
    await lane.begun(2)
    assert lane.last == [(2, 0), (2, 1), (2, 2), (4, 0)]
    dispatch.done(lane, lane.results())
    await lane.begun(3)
    assert lane.last == [(3, 0), (3, 1), (5, 0)]


@asynchronous
async def test_a_batch_has_equal_parameters_and_the_others_keep_their_order() -> None:
    dispatch, (lane,) = queue()
    dispatch.submit([b"held"])
    for parameters in (b"1", b"2", b"1", b"2", b"1"):
        dispatch.submit([b"x"], parameters)
    dispatch.done(lane, lane.results())
    await lane.begun(2)
    assert lane.last == [(2, 0), (4, 0), (6, 0)]
    dispatch.done(lane, lane.results())
    await lane.begun(3)
    assert lane.last == [(3, 0), (5, 0)]


@asynchronous
async def test_a_free_worker_waits_a_moment_for_as_many_requests_as_were_asked_at_a_time() -> None:
    dispatch, (lane,) = queue()
    for _ in range(3):
        dispatch.submit([b"x"])
    dispatch.done(lane, lane.results())
    assert len(lane.jobs) == 1
    dispatch.submit([b"y"])
    assert lane.last == [(2, 0), (3, 0), (4, 0)]
    dispatch.done(lane, lane.results())
    dispatch.submit([b"z"])
    await lane.begun(3)  # the others do not come
    assert lane.last == [(5, 0)]


@asynchronous
async def test_the_rest_of_a_request_that_failed_is_not_computed_and_its_first_fault_is_told() -> None:
    dispatch, (first, second) = queue(2, max_batch=2)
    request = dispatch.submit([b"x"] * 20)
    bad = Result(400, message="late", instance=3)
    dispatch.done(second, [Result(200), bad])
    assert len(second.jobs) == 1
    assert not request.answer.done()
    dispatch.done(first, [Result(200), Result(400, message="early", instance=1)])
    with pytest.raises(AnswerError, match="early") as caught:
        await request.answer
    assert caught.value.instance == 1
    assert len(first.jobs) == 1


@asynchronous
async def test_what_nobody_waits_for_is_not_computed() -> None:
    dispatch, (lane,) = queue()
    held, gone, other = (dispatch.submit([b"x"]) for _ in range(3))
    dispatch.withdraw(gone)
    dispatch.withdraw(held)  # it runs, and its result is of no use
    dispatch.done(lane, lane.results())
    await lane.begun(2)
    assert lane.last == [(3, 0)]
    dispatch.done(lane, lane.results())
    assert await other.answer == [b"X"]
    assert len(lane.jobs) == 2


@asynchronous
async def test_more_than_may_wait_are_refused() -> None:
    dispatch, (lane,) = queue(max_waiting=2)
    requests = [dispatch.submit([b"x"]) for _ in range(3)]
    with pytest.raises(BusyError) as caught:
        dispatch.submit([b"x"])
    assert caught.value.status == 503
    dispatch.done(lane, lane.results())
    await lane.begun(2)
    dispatch.done(lane, lane.results())
    assert [await request.answer for request in requests] == [[b"X"]] * 3


@asynchronous
async def test_all_requests_end_with_the_error_of_the_server() -> None:
    dispatch, _ = queue()
    running, waiting = dispatch.submit([b"x"]), dispatch.submit([b"y"])
    dispatch.fail_all(AnswerError(503, "over"))
    for request in (running, waiting):
        with pytest.raises(AnswerError, match="over"):
            await request.answer
    with pytest.raises(AnswerError, match="over"):
        dispatch.submit([b"its body was still coming"])
