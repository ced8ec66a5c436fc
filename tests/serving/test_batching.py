"""Requests share batches without affecting each other: in this process on the batcher, then over HTTP."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from seatrial.serving.answers import AnswerError, parse
from seatrial.serving.batching import Batcher

from .server import PATIENCE, gray, served

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

HOLD = -1.0


def key_of(parameters: Any) -> str:
    return parse(json.dumps({"instances": [], "parameters": parameters}).encode()).parameters_key


class Held:
    """A batcher whose first batch waits for `release`, so that what is submitted meanwhile queues up."""

    def __init__(self, max_batch: int = 4) -> None:
        self.batches: list[list[float]] = []
        self.parameters: list[Any] = []
        self.release = threading.Event()
        self.holding = threading.Event()
        self.batcher = Batcher(self.predict, max_batch)
        self.held = self.submit(HOLD)
        assert self.holding.wait(PATIENCE)

    def predict(self, batch: Any, parameters: Any) -> Any:
        values = batch[:, 0].tolist()
        self.batches.append(values)
        self.parameters.append(parameters)
        if values == [HOLD]:
            self.holding.set()
            assert self.release.wait(PATIENCE)
        if 66 in values:
            raise SystemExit("66 is poison")
        return batch[:1] if 68 in values else batch * 10

    def submit(self, *values: float, parameters: Any = None, length: int = 1) -> Future[list[Any]]:
        return self.batcher.submit([np.full((length,), value) for value in values], parameters, key_of(parameters))

    def batches_after_release(self, *futures: Future[list[Any]]) -> list[list[float]]:
        self.release.set()
        for future in futures:
            future.exception(PATIENCE)
        return self.batches[1:]


def values_of(future: Future[list[Any]]) -> list[float]:
    return [float(row[0]) for row in future.result(PATIENCE)]


def test_pending_requests_share_a_batch_and_get_their_own_rows() -> None:
    held = Held()
    first, second = held.submit(1, 2), held.submit(3)
    assert held.batches_after_release(first, second) == [[1, 2, 3]]
    assert (values_of(first), values_of(second)) == ([10, 20], [30])


def test_a_batch_never_exceeds_its_limit() -> None:
    held = Held(max_batch=4)
    first, second = held.submit(1, 2, 3), held.submit(4, 5, 6)
    assert held.batches_after_release(first, second) == [[1, 2, 3, 4], [5, 6]]
    assert values_of(second) == [40, 50, 60]


@pytest.mark.parametrize("others", [{"k": 2}, {"k": 1.0}, {"k": True}, {}, None])
def test_different_parameters_never_share_a_batch(others: Any) -> None:
    held = Held()
    futures = [
        held.submit(1, parameters={"k": 1}),
        held.submit(2, parameters=others),
        held.submit(3, parameters={"k": 1}),
    ]
    assert held.batches_after_release(*futures) == [[1, 3], [2]]
    assert held.parameters[1:] == [{"k": 1}, others]


def test_equal_parameters_share_a_batch_whatever_their_order() -> None:
    held = Held()
    futures = [held.submit(1, parameters={"a": 1, "b": 2}), held.submit(2, parameters={"b": 2, "a": 1})]
    assert held.batches_after_release(*futures) == [[1, 2]]


def test_different_shapes_and_types_never_share_a_batch() -> None:
    held = Held()
    single = held.batcher.submit([np.full((1,), 4, dtype=np.float32)], None, "null")
    futures = [held.submit(1), held.submit(2, length=2), single]
    assert held.batches_after_release(*futures) == [[4], [1], [2]]


def test_a_request_that_fails_does_not_fail_those_it_shared_a_batch_with() -> None:
    held = Held()
    good, bad, other = held.submit(1), held.submit(66), held.submit(2)
    assert held.batches_after_release(good, bad, other) == [[1, 66, 2], [1], [66], [2]]
    assert (values_of(good), values_of(other)) == ([10], [20])
    with pytest.raises(AnswerError, match="predict raised SystemExit: 66 is poison") as caught:
        bad.result(PATIENCE)
    assert caught.value.status == 500


def test_the_rest_of_a_failed_request_is_not_computed() -> None:
    held = Held(max_batch=2)
    bad = held.submit(66, 1, 2, 3)
    good = held.submit(4)
    assert held.batches_after_release(bad, good) == [[66, 1], [4]]


def test_a_wrong_number_of_rows_names_both_numbers() -> None:
    held = Held()
    bad = held.submit(68, 69)
    held.release.set()
    with pytest.raises(AnswerError, match="predict gave 1 rows for 2 instances"):
        bad.result(PATIENCE)


@pytest.mark.parametrize("output", [{"a": 1}, 3, None])
def test_an_output_without_rows_is_an_error_and_the_thread_lives_on(output: Any) -> None:
    batcher = Batcher(lambda batch, parameters: batch if parameters else output, 4)
    with pytest.raises(AnswerError):
        batcher.submit([np.zeros(1)], None, "null").result(PATIENCE)
    assert values_of(batcher.submit([np.ones(1)], {"whole": True}, '{"whole": true}')) == [1]


@pytest.mark.parametrize("value", [3, [1.0], None])
def test_what_cannot_be_stacked_names_its_type(value: Any) -> None:
    with pytest.raises(AnswerError, match=f"preprocess returned {type(value).__name__}"):
        Batcher(lambda batch, _: batch, 4).submit([value], None, "null").result(PATIENCE)


class Unspeakable(Exception):  # noqa: N818 - a user's own class
    """An exception that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_without_a_readable_text_fails_its_request_and_the_thread_lives_on() -> None:
    def predict(batch: Any, parameters: Any) -> Any:
        if not parameters:
            raise Unspeakable
        return batch

    batcher = Batcher(predict, 4)
    with pytest.raises(AnswerError, match="predict raised Unspeakable"):
        batcher.submit([np.zeros(1)], None, "null").result(PATIENCE)
    assert values_of(batcher.submit([np.ones(1)], {"a": 1}, '{"a": 1}')) == [1]


RECORDING = """
import json


class P:
    def load(self, artifacts_uri): ...

    def preprocess(self, image):
        value = image.getpixel((0, 0))[0]
        if value == 254:
            raise KeyError("preprocess of 254")
        return np.full((3,), value)

    def predict(self, batch, parameters=None):
        values = batch[:, 0].tolist()
        with (FOLDER / "batches").open("a") as file:
            file.write(json.dumps([values, parameters]) + "\\n")
        if 253 in values:
            raise ValueError("predict of 253")
        time.sleep(0.01)  # lets requests queue up
        return [(value, parameters) for value in values]

    def postprocess(self, row):
        if row[0] == 252:
            raise ValueError("postprocess of 252")
        return float("nan") if row[0] == 251 else row
"""


def test_concurrent_requests_each_get_their_own_answer(tmp_path: Path) -> None:
    parameters: list[Any] = [None, {"k": 1}, {"k": 2}]
    faults = {
        254: "preprocess raised KeyError: 'preprocess of 254'",
        253: "predict raised ValueError: predict of 253",
        252: "postprocess raised ValueError: postprocess of 252",
        251: "predictions[1] cannot be written as JSON: it holds NaN or Infinity, which JSON does not have",
    }
    with served(tmp_path, RECORDING, serving={"max-batch": 8}) as server:

        def ask(number: int) -> None:
            chosen = parameters[number % 3]
            if number % 5 == 0:
                fault = 251 + number // 5 % 4
                reply = server.predict(gray(number), gray(fault), parameters=chosen)
                assert (reply.status, reply.error["message"]) == (500, faults[fault])
            else:
                values = [number, number + 100]
                assert server.predictions(*map(gray, values), parameters=chosen) == [[v, chosen] for v in values]

        with ThreadPoolExecutor(12) as clients:
            list(clients.map(ask, range(100)))

        asked = {value: parameters[n % 3] for n in range(100) for value in ([n] if n % 5 == 0 else [n, n + 100])}
        batches = [json.loads(line) for line in (tmp_path / "batches").read_text().splitlines()]
        assert all(asked[value] == given for values, given in batches for value in values if value < 251)
        assert max(len(values) for values, _ in batches) > 2  # requests of two instances did share
        tracebacks = [entry["traceback"] for entry in server.log(severity="ERROR", phase="predict")]
        assert len(tracebacks) == 20
        assert all("served.py" in text or "NaN" in text for text in tracebacks)
