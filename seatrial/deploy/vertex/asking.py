"""Golden requests through an endpoint, a few at a time: who answered, what, and how long it took.

An answer names the deployed model that gave it; an error does not. Nothing here judges either, and nothing is asked
that the caller did not choose.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.api_core import exceptions, gapic_v1
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from seatrial import golden
from seatrial.deploy.vertex.client import code_of
from seatrial.findings import Step
from seatrial.golden import GoldenExample
from seatrial.serving import interfaces
from seatrial.trial import samples
from seatrial.trial.parity import example_name

if TYPE_CHECKING:
    from seatrial.deploy.vertex.client import Vertex
    from seatrial.project import Project

REQUEST_BYTES = 1_500_000  # of a request to a shared public endpoint, by Vertex's custom-container requirements
TICK = 0.5  # seconds; how long nothing may come before the caller gets to look at the clock
SHOW = 2.0  # seconds between two lines of progress
INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED = 3, 7, 16  # of google.rpc.Code
_PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)  # seconds, after so many failures in a row
_ALIVE = 0.2  # seconds, the longest pause once there was an answer: one input may fail where others do not


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an inquiry goes.

    Attributes:
        requests: how many are sent at most.
        seconds: how long it lasts at most.
        in_flight: how many are asked at once.
        request_timeout: seconds that one answer may take.
        settle: seconds after a change of the split in which a version without traffic is not yet suspicious.
    """

    requests: int = 2000
    seconds: float = 900.0
    in_flight: int = 4
    request_timeout: float = 60.0  # what a shared public endpoint allows, by the same requirements
    settle: float = 180.0  # a new host name may need minutes to resolve; how long a new split needs, nobody says

    @classmethod
    def of(cls, project: Project, kind: str) -> Limits:
        """Give the limits of a project's rollout on a target, `local` or `vertex`."""
        seconds = project.vertex.rollout.step_timeout
        return cls(seconds=seconds, settle=5.0) if kind == "local" else cls(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Question:
    """One request: golden examples and, in the same order, the JSON instances that stand for them.

    `number` is its index in what `questions` gave.
    """

    number: int
    examples: tuple[GoldenExample, ...]
    instances: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What it is called in messages."""
        first = example_name(self.examples[0])
        return first if len(self.examples) == 1 else f"{first} and {len(self.examples) - 1} more"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: predictions and who gave them, or an error and nobody's name.

    Attributes:
        deployed_model: its id; "" with an error.
        seconds: from sending to the last byte.
        error: as the API's client names it; None with predictions.
        code: of google.rpc; 0 with predictions.
    """

    question: Question
    seconds: float
    deployed_model: str = ""
    predictions: tuple[Any, ...] = ()
    error: exceptions.GoogleAPICallError | None = None
    code: int = 0

    @property
    def refused(self) -> bool:
        """Whether it is the caller who may not ask, whoever would have answered."""
        return self.code in (PERMISSION_DENIED, UNAUTHENTICATED)


def questions(project: Project, *, interface: str, at_most: int | None = None) -> tuple[Question, ...]:
    """Give what to ask: golden examples each alone, or, where that makes too many requests, in equal groups.

    Without golden examples these are the trial's sample images if the predictor's interface takes them. Of another one
    only golden examples say what it accepts, so there is nothing to ask.

    Raises:
        UsageError: golden.json cannot be read.
    """
    examples = golden.read(project.artifacts_dir)
    inputs = [(example, example.vertex_instance(project.artifacts_dir)) for example in examples]
    if not examples and interfaces.takes_samples(interface):
        inputs = [(GoldenExample(image=name), instance) for name, instance in samples.instances()]
    size = -(-len(inputs) // at_most) if at_most else 1
    groups = _grouped(inputs, max(1, size))
    return tuple(Question(number, *zip(*group, strict=True)) for number, group in enumerate(groups))


def _grouped(inputs: Sequence[tuple[GoldenExample, Any]], size: int) -> Iterator[list[tuple[GoldenExample, Any]]]:
    group: list[tuple[GoldenExample, Any]] = []
    length = 0
    for one in inputs:
        own = len(repr(one[1]))
        if group and (len(group) == size or length + own > REQUEST_BYTES * 0.9):
            yield group
            group, length = [], 0
        group.append(one)
        length += own
    if group:
        yield group


def replies(
    vertex: Vertex, endpoint: v1.Endpoint, choose: Callable[[], Question | None], limits: Limits
) -> Generator[Reply | None, None, None]:
    """Yield replies until a limit is reached or the caller closes this; None now and then where none came.

    `choose` gives what to ask next, or None for nothing right now. Until the first answer, and while answers fail, one
    is asked at a time, and before the first answer later and later. What is in flight at the end is cancelled, also
    when an interruption ends it.
    """
    ask = _Ask(vertex, endpoint, limits.request_timeout)
    deadline = time.monotonic() + limits.seconds
    sent = failures = 0
    answers = alive = False
    resume = 0.0
    try:
        while (now := time.monotonic()) < deadline and (sent < limits.requests or ask.in_flight):
            allowed = limits.in_flight if answers else 1
            while sent < limits.requests and ask.in_flight < allowed and now >= resume and (next_one := choose()):
                ask.send(next_one)
                sent += 1
            wait = min(TICK, deadline - now, max(resume - now, 0.01) if not ask.in_flight else TICK)
            reply = ask.receive(wait)
            if reply is not None:
                answers = reply.error is None
                alive = alive or answers
                failures = 0 if answers else failures + 1
                pause = 0.0 if answers else _PAUSES[min(failures, len(_PAUSES)) - 1]
                resume = time.monotonic() + (min(pause, _ALIVE) if alive else pause)
            yield reply
    finally:
        ask.cancel()


class _Ask:
    """Requests in flight; gRPC's own threads wait for them, so that none of ours can be left behind."""

    def __init__(self, vertex: Vertex, endpoint: v1.Endpoint, timeout: float) -> None:
        # The client's own method blocks; the call below it does not, and can be cancelled.
        self._predict = vertex.predictions(endpoint).transport.predict
        self._endpoint = endpoint.name
        self._timeout = timeout
        self._metadata = (gapic_v1.routing_header.to_grpc_metadata((("endpoint", endpoint.name),)),)
        self._done: queue.SimpleQueue[tuple[int, Question, float]] = queue.SimpleQueue()
        self._calls: dict[int, Any] = {}
        self._sent = 0

    @property
    def in_flight(self) -> int:
        return len(self._calls)

    def send(self, question: Question) -> None:
        request = v1.PredictRequest(endpoint=self._endpoint)
        for instance in question.instances:
            json_format.ParseDict(instance, v1.PredictRequest.pb(request).instances.add())
        self._sent = number = self._sent + 1
        began = time.monotonic()
        call = self._predict.future(request, timeout=self._timeout, metadata=self._metadata)
        self._calls[number] = call
        call.add_done_callback(lambda _: self._done.put((number, question, time.monotonic() - began)))

    def receive(self, wait: float) -> Reply | None:
        try:
            number, question, seconds = self._done.get(timeout=max(wait, 0.001))
        except queue.Empty:
            return None
        try:
            answer = v1.PredictResponse.pb(self._calls.pop(number).result())
        except grpc.RpcError as error:
            failure = exceptions.from_grpc_error(error)
            return Reply(question, seconds, error=failure, code=code_of(failure))
        predictions = tuple(_plain(value) for value in answer.predictions)
        return Reply(question, seconds, deployed_model=answer.deployed_model_id, predictions=predictions)

    def cancel(self) -> None:
        for call in self._calls.values():
            call.cancel()


def _plain(value: Any) -> Any:
    """Give a protobuf Value as JSON data; it knows floats only, so that a whole one is taken for an integer."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "struct_value":
        return {key: _plain(field) for key, field in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(element) for element in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


class Progress:
    """Lines of progress, but no more often than a person reads."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def line(self, text: Callable[[], str]) -> Iterator[Step]:
        """Yield the line, if it is time for one."""
        if time.monotonic() - self._shown >= SHOW:
            self._shown = time.monotonic()
            yield Step(text())
