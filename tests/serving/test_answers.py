"""Answers are valid JSON, or an error that names what JSON does not have."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from seatrial.serving.answers import AnswerError, encode


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ({"label": "7", "scores": np.array([0.25, 0.75])}, {"label": "7", "scores": [0.25, 0.75]}),
        ({np.int64(1): (np.float16(0.5), None)}, {"1": [0.5, None]}),
        ("\ud800é", "\ud800é"),
    ],
)
def test_values_of_numpy_become_plain_json(prediction: Any, expected: Any) -> None:
    assert json.loads(encode([prediction], [{}])) == {"predictions": [expected]}


def test_an_array_of_predictions_is_a_list_of_them() -> None:
    assert json.loads(encode(np.array([[1.0], [2.0]]), [0, 0])) == {"predictions": [[1.0], [2.0]]}


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), {"deep": [np.array([1.0, -np.inf])]}])
def test_nan_and_infinity_name_their_instance(value: Any) -> None:
    with pytest.raises(AnswerError, match="JSON does not have") as caught:
        encode([1, value], [0, 0])
    assert (caught.value.status, caught.value.instance) == (500, 1)


@pytest.mark.parametrize("value", [b"bytes", object(), {1, 2}, {(1, 2): 3}])
def test_a_value_that_json_lacks_names_its_instance(value: Any) -> None:
    with pytest.raises(AnswerError, match=r"predictions\[0\] cannot be written as JSON") as caught:
        encode([value], [0])
    assert (caught.value.status, caught.value.instance) == (500, 0)


def test_an_integer_too_long_to_write_is_not_called_nan() -> None:
    with pytest.raises(AnswerError, match=r"predictions\[0\] cannot be written as JSON: Exceeds the limit"):
        encode([10**5000], [0])


class Broken:
    """A value whose tolist() fails, like that of a tensor on a lost device."""

    def tolist(self) -> list[float]:
        raise RuntimeError("device lost")


def test_a_value_whose_tolist_fails_names_its_instance_and_the_cause() -> None:
    with pytest.raises(AnswerError, match=r"predictions\[1\] cannot be written as JSON: device lost") as caught:
        encode([1, Broken()], [0, 0])
    assert (caught.value.status, caught.value.instance) == (500, 1)
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(AnswerError, match=r"predictions.tolist\(\) raised RuntimeError: device lost"):
        encode(Broken(), [0])


def test_a_list_that_contains_itself_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(AnswerError, match="cannot be written"):
        encode([endless], [0])


def test_a_wrong_number_of_predictions_names_both_numbers() -> None:
    with pytest.raises(AnswerError, match="3 predictions for 2 instances"):
        encode([1, 2, 3], [0, 0])


@pytest.mark.parametrize("predictions", ["ab", {"a": 1, "b": 2}, None, np.float32(2)])
def test_predictions_that_are_not_a_list_are_an_error(predictions: Any) -> None:
    with pytest.raises(AnswerError, match="not a list"):
        encode(predictions, [0, 0])
