"""The queue of the acceptor: which instances go to which worker, and when.

A request of at most a batch stays together, so that its answer does not depend on how many workers there are. A larger
one goes in pieces of a batch, which are spread over the workers and take turns with other requests. A worker that is
free gets its share of what is asked at a time, at most a batch: it waits a moment for it, unless nobody but one client
asks. A batch holds instances of equal parameters. What nobody waits for any longer is not computed.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from seatrial.serving.frames import Item, Job, Result
from seatrial.serving.origin import NOBODY, Origin
from seatrial.serving.refusal import AnswerError, BusyError
from seatrial.serving.threads import LoneThreads

if TYPE_CHECKING:
    from collections.abc import Sequence

_MORE_WITHIN = 0.002  # seconds that a free worker waits for its share
_LESS = 0.8  # of the requests at a time are still expected after each job, if fewer have come
_PASSED_OVER = 64  # requests of other parameters that a search for more of the same looks at


class Lane(Protocol):
    """A worker as the queue knows it."""

    def send(self, job: Job) -> None:
        """Let the worker begin a job."""


@dataclass(eq=False, repr=False)  # nothing may write out the bytes that it holds
class Request:
    """A request on its way.

    Attributes:
        number: of the request.
        instances: what is predicted one by one, or the whole body alone.
        parameters: of the instances, as text that is equal for equal parameters.
        is_image: whether the one instance is an image file.
        origin: where it comes from, for the log.
        answer: will hold the JSON of each prediction.
    """

    number: int
    instances: Sequence[bytes]
    parameters: bytes
    is_image: bool
    origin: Origin
    answer: asyncio.Future[list[bytes]]
    sent: int = 0
    running: int = 0
    found: list[bytes] = field(default_factory=list)
    failed: Result | None = None

    def __post_init__(self) -> None:
        self.found = [b""] * len(self.instances)

    @property
    def size(self) -> int:
        """The bytes that it holds."""
        return sum(map(len, self.instances))

    @property
    def waits(self) -> bool:
        """Whether instances of it are still to be sent."""
        return self.sent < len(self.instances) and self.failed is None and not self.answer.done()

    def take(self, index: int, result: Result) -> None:
        """Take the result of an instance; the request ends with the last that was sent."""
        self.running -= 1
        self.found[index] = result.data
        if result.status != 200 and (self.failed is None or (result.instance or 0) < (self.failed.instance or 0)):
            self.failed = result
        if self.answer.done() or self.running:
            return
        if self.failed is not None:
            self.answer.set_exception(FailedError(self.failed))
        elif self.sent == len(self.instances):
            self.answer.set_result(self.found)


class FailedError(AnswerError):
    """An instance failed in a worker; `traceback` is "" where the client is at fault."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.status, result.message, result.instance)
        self.traceback = result.traceback


class Dispatch:
    """The queue, and the workers that it feeds."""

    def __init__(self, *, max_batch: int, max_waiting: int, cores: int) -> None:
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._cores = cores
        self._lone = LoneThreads(cores)
        self._timed: tuple[Lane, int, float] | None = None  # a job alone: where it runs, its threads, when it began
        self._waiting: deque[Request] = deque()
        self._here: set[Request] = set()  # whose answers somebody waits for
        self._free: list[
            Lane
        ] = []  # who was busy last is last, and first to work: what it needs is in its core's caches
        self._running: dict[Lane, list[tuple[Request, int]]] = {}
        self._lanes = 0
        self._later: asyncio.TimerHandle | None = None
        self._number = 0
        self._over: AnswerError | None = None
        self._at_a_time = 1.0  # requests, as seen of late

    def add(self, lane: Lane) -> None:
        """Use a worker from now on."""
        self._lanes += 1
        self._free.insert(0, lane)
        self._feed()

    def submit(
        self, instances: Sequence[bytes], parameters: bytes = b"", *, is_image: bool = False, origin: Origin = NOBODY
    ) -> Request:
        """Queue a request of at least one instance.

        Raises:
            BusyError: status 503; too many wait already.
            AnswerError: the one that ended all others.
        """
        if self._over is not None:
            raise AnswerError(self._over.status, self._over.message)
        if self.waiting >= self._max_waiting:
            raise BusyError(503, f"{self.waiting} requests wait already (serving.max-waiting); ask again later")
        self._number += 1
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        request = Request(self._number, instances, parameters, is_image, origin, answer)
        self._waiting.append(request)
        self._here.add(request)
        self._feed()
        return request

    @property
    def waiting(self) -> int:
        """How many requests wait for a worker, in whole or in part."""
        return len(self._waiting)

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return self._lanes

    def withdraw(self, request: Request) -> None:
        """Forget a request that nobody waits for; what of it runs already, is ended by the worker."""
        request.answer.cancel()
        self._here.discard(request)
        if request.sent < len(request.instances):
            with suppress(ValueError):  # it was passed over already
                self._waiting.remove(request)

    def done(self, lane: Lane, results: list[Result]) -> None:
        """Take the results of a worker's job, and give it the next."""
        self._at_a_time = max(self._at_a_time * _LESS, 1.0)
        self._note_load()
        for (request, index), result in zip(self._running.pop(lane), results, strict=True):
            request.take(index, result)
            if request.answer.done():
                self._here.discard(request)
        if self._timed is not None and self._timed[0] is lane:
            if not self._running:  # else it was not alone to the end
                self._lone.note(self._timed[1], asyncio.get_running_loop().time() - self._timed[2])
            self._timed = None
        self._free.append(lane)
        self._feed()

    def fail_all(self, error: AnswerError) -> None:
        """End every request with an error, also one whose body was still coming."""
        self._over = error
        for request in self._here:
            if not request.answer.done():
                request.answer.set_exception(error)
        self._here.clear()
        self._waiting.clear()

    def _note_load(self) -> int:
        """Return how many requests are here."""
        self._at_a_time = max(self._at_a_time, len(self._here))
        return len(self._here)

    def _feed(self, *, in_time: bool = False) -> None:
        """Give free workers what waits. Unless `in_time`, one waits a moment for its share if more is expected."""
        all_came = self._note_load() >= int(self._at_a_time)
        share = math.ceil(self._at_a_time / self._lanes)
        while self._free and self._waiting:
            if not (in_time or all_came or self._is_share(share)):
                if self._later is None:
                    self._later = asyncio.get_running_loop().call_later(_MORE_WITHIN, self._feed_now)
                return
            taken = self._take(share)
            if taken:
                self._start(self._free.pop(), taken)

    def _feed_now(self) -> None:
        self._later = None
        self._feed(in_time=True)

    def _is_share(self, share: int) -> bool:
        """Return whether so many requests wait, or instances for a whole batch."""
        if len(self._waiting) >= share:
            return True
        return sum(len(request.instances) - request.sent for request in self._waiting) >= self._max_batch

    def _take(self, share: int) -> list[tuple[Request, int]]:
        """Take pieces of up to `share` requests of equal parameters, in all at most a batch."""
        taken: list[tuple[Request, int]] = []
        others: list[Request] = []
        pieces = 0
        while self._waiting and pieces < share and len(taken) < self._max_batch and len(others) < _PASSED_OVER:
            request = self._waiting.popleft()
            if not request.waits:
                continue
            end = min(request.sent + self._max_batch, len(request.instances))
            fits = len(taken) + end - request.sent <= self._max_batch
            if taken and not (fits and request.parameters == taken[0][0].parameters):
                others.append(request)
                continue
            taken += [(request, index) for index in range(request.sent, end)]
            pieces += 1
            request.running += end - request.sent
            request.sent = end
            if request.waits:
                self._waiting.append(request)
        self._waiting.extendleft(reversed(others))
        return taken

    def _start(self, lane: Lane, taken: list[tuple[Request, int]]) -> None:
        alone = not self._running and not self._waiting and self._at_a_time < 2
        threads = self._cores if alone or self._lanes == 1 else max(1, self._cores // self._lanes)
        if alone and len(taken) == 1:
            threads = self._lone.choose()
            self._timed = (lane, threads, asyncio.get_running_loop().time())
        self._running[lane] = taken
        items = [Item(one.number, index, one.instances[index], one.is_image) for one, index in taken]
        origins = {one.number: one.origin for one, _ in taken}
        lane.send(Job(threads, taken[0][0].parameters, items, origins))
