"""Inputs of equal form are predicted together without affecting each other: in this process, then over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from seatrial.serving.answers import AnswerError
from seatrial.serving.groups import Prepared, rows

from .server import gray, served

if TYPE_CHECKING:
    from pathlib import Path


class Recorder:
    """A predict that notes its batches, fails for 66 and gives too few rows for 68."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []

    def __call__(self, batch: Any) -> Any:
        values = batch[:, 0].tolist()
        self.batches.append(values)
        if 66 in values:
            raise SystemExit("66 is poison")
        return batch[:1] if 68 in values else batch * 10


def prepared(request: int, *values: float, length: int = 1, dtype: Any = np.float64) -> list[Prepared]:
    return [Prepared(request, np.full((length,), value, dtype=dtype)) for value in values]


def test_requests_share_a_batch_and_get_their_own_rows() -> None:
    recorder = Recorder()
    found = rows(recorder, prepared(1, 1, 2) + prepared(2, 3))
    assert recorder.batches == [[1, 2, 3]]
    assert [float(row[0]) for row in found] == [10, 20, 30]


def test_different_shapes_and_types_never_share_a_batch() -> None:
    recorder = Recorder()
    mixed = prepared(1, 1) + prepared(2, 2, length=2) + prepared(3, 3, dtype=np.float32) + prepared(4, 4)
    found = rows(recorder, mixed)
    assert recorder.batches == [[1, 4], [2], [3]]
    assert [float(row[0]) for row in found] == [10, 20, 30, 40]


def test_a_request_that_fails_does_not_fail_those_it_shared_a_batch_with() -> None:
    recorder = Recorder()
    found = rows(recorder, prepared(1, 1) + prepared(2, 66) + prepared(3, 2) + prepared(1, 3))
    assert recorder.batches == [[1, 66, 2, 3], [1, 3], [66], [2]]
    assert [float(found[index][0]) for index in (0, 2, 3)] == [10, 20, 30]
    assert isinstance(found[1], AnswerError)
    assert (found[1].status, found[1].message) == (500, "predict raised SystemExit: 66 is poison")


def test_a_wrong_number_of_rows_names_both_numbers() -> None:
    (first, second) = rows(Recorder(), prepared(1, 68, 69))
    assert first is second
    assert first.message == "predict gave 1 rows for 2 instances"


@pytest.mark.parametrize("output", [{"a": 1}, 3, None])
def test_an_output_without_rows_is_an_error(output: Any) -> None:
    (found,) = rows(lambda _: output, prepared(1, 1))
    assert isinstance(found, AnswerError)
    assert found.status == 500


@pytest.mark.parametrize("value", [3, [1.0], None])
def test_what_cannot_be_stacked_names_its_type(value: Any) -> None:
    (found,) = rows(lambda batch: batch, [Prepared(1, value)])
    assert found.message.startswith(f"preprocess returned {type(value).__name__}")


class Unspeakable(Exception):  # noqa: N818 - a user's own class
    """An exception that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_without_a_readable_text_is_still_an_error_of_its_request() -> None:
    def predict(batch: Any) -> Any:
        raise Unspeakable

    (found,) = rows(predict, prepared(1, 1))
    assert found.message.startswith("predict raised Unspeakable")


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
        answered = [(values, given) for values, given in batches if values != [128]]  # the first is the server's own
        assert all(asked[value] == given for values, given in answered for value in values if value < 251)
        assert max(len(values) for values, _ in batches) > 2  # requests of two instances did share
        tracebacks = [entry["traceback"] for entry in server.log(severity="ERROR", phase="predict")]
        assert len(tracebacks) == 20
        assert all("served.py" in text or "NaN" in text for text in tracebacks)
