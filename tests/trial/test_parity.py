"""An answer beside its golden example: differences are found by key, label and type, never by the order of keys."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.golden import GoldenExample
from seatrial.trial.parity import Drift, compare

LABELS = ("left", "right", "top")
SCORES = (0.7, 0.2, 0.1)
BY_LABEL = dict(zip(LABELS, SCORES, strict=True))
SHIFTED = dict(zip(("right", "top", "left"), SCORES, strict=True))


def found(example: GoldenExample, answer: Any, drift: Drift | None = None) -> list[str]:
    """Return code and message of each difference."""
    differences = compare(example, answer, tolerance=1e-5, drift=drift or Drift(), alone=True)
    return [f"{difference.code} {difference.message}" for difference in differences]


class TestScores:
    @pytest.mark.parametrize(
        ("recorded", "order", "answered"),
        [
            (SCORES, LABELS, dict(reversed(BY_LABEL.items()))),
            (BY_LABEL, (), dict(reversed(BY_LABEL.items()))),
            (BY_LABEL, LABELS, list(SCORES)),
            (SCORES, (), {"2": 0.1, "0": 0.7, "1": 0.2}),
            (SCORES, LABELS, {"2": 0.1, "0": 0.7, "1": 0.2}),
            (SCORES, (), list(SCORES)),
        ],
        ids=["list, object", "objects", "object, list", "places", "places of known labels", "lists"],
    )
    def test_are_compared_by_label_whatever_their_order(
        self, recorded: Any, order: tuple[str, ...], answered: Any
    ) -> None:
        drift = Drift()
        example = GoldenExample(instance=0, scores=recorded, order=order)
        assert found(example, {"scores": answered}, drift) == []
        assert found(example, answered, drift) == []
        assert (drift.compared, drift.largest) == (6, 0)

    @pytest.mark.parametrize(
        ("recorded", "order", "answered", "difference"),
        [
            (SCORES, LABELS, SHIFTED, "scores.left is 0.1, training recorded 0.7"),
            (BY_LABEL, (), SHIFTED, "scores.left is 0.1, training recorded 0.7"),
            (SCORES, LABELS, {"2": 0.7, "0": 0.2, "1": 0.1}, "scores.0 is 0.2, training recorded 0.7"),
            (BY_LABEL, LABELS, [0.2, 0.7, 0.1], "scores.left is 0.2, training recorded 0.7"),
            (SCORES, LABELS, {"left": 0.7, "right": 0.2}, "scores has the keys ['left', 'right'], training recorded"),
            (SCORES, (), BY_LABEL, "scores is an object, training recorded a list, and nothing says which score"),
            (BY_LABEL, (), list(SCORES), "scores is a list, training recorded an object, and nothing says which score"),
            (SCORES, LABELS, None, "scores is None, training recorded [0.7, 0.2, 0.1]"),
        ],
        ids=["list", "object", "places", "to a list", "a lost label", "no order", "no order of a list", "no scores"],
    )
    def test_that_belong_to_other_labels_are_found(
        self, recorded: Any, order: tuple[str, ...], answered: Any, difference: str
    ) -> None:
        (only,) = found(GoldenExample(instance=0, scores=recorded, order=order), {"scores": answered})
        assert only.startswith(f"ST401 instance 0: {difference}")


class TestLabel:
    @pytest.mark.parametrize(
        ("recorded", "answered"), [("7", "7"), (7, 7), (7, 7.0), (True, True), ("seven", {"label": "seven"})]
    )
    def test_that_is_the_same_to_a_client_is_none(self, recorded: Any, answered: Any) -> None:
        assert found(GoldenExample(instance=0, label=recorded), answered) == []

    @pytest.mark.parametrize(
        ("recorded", "answered", "difference"),
        [
            ("7", 7, "the label is the number 7, training recorded the text 7"),
            (7, "7", "the label is the text 7, training recorded the number 7"),
            (True, 1, "the answer is 1, training answered True"),
            ("7", "8", "the answer is '8', training answered '7'"),
            ("7", {"class": "7"}, "the answer is {'class': '7'}, training answered '7'"),
        ],
    )
    def test_of_another_value_or_type_is_found(self, recorded: Any, answered: Any, difference: str) -> None:
        assert found(GoldenExample(instance=0, label=recorded), answered) == [f"ST402 instance 0: {difference}"]

    def test_with_the_same_scores_names_the_order_and_the_truth(self) -> None:
        example = GoldenExample(instance=0, label="left", scores=SCORES)
        answer = {"label": "right", "scores": list(SCORES)}
        (difference,) = compare(example, answer, tolerance=0, drift=Drift(), alone=True)
        assert difference.message.endswith("training answered 'left', with the same scores")
        assert "`truth`" in difference.fix

    def test_may_be_one_that_the_scores_and_the_truth_disagree_with(self) -> None:
        example = GoldenExample(instance=0, label="right", truth="top", scores=SCORES)
        assert found(example, {"label": "right", "scores": list(SCORES)}) == []


def test_fields_that_training_did_not_record_are_noted() -> None:
    drift = Drift()
    answer = {"label": "left", "scores": list(SCORES), "debug": "x"}
    assert found(GoldenExample(instance=0, scores=SCORES), answer, drift) == []
    assert drift.unrecorded == {"label", "debug"}


@pytest.mark.parametrize(("label", "unrecorded"), [("left", set()), (None, {"label"})])
def test_an_order_that_no_recorded_label_confirms_is_noted(label: str | None, unrecorded: set[str]) -> None:
    drift = Drift()
    answer = {"scores": BY_LABEL} if label is None else {"label": label, "scores": BY_LABEL}
    assert found(GoldenExample(instance=0, label=label, scores=SCORES, order=LABELS), answer, drift) == []
    assert drift.unrecorded == unrecorded


def test_a_whole_response_has_no_other_fields() -> None:
    (only,) = found(GoldenExample(instance=0, response={"label": "left"}), {"label": "left", "debug": "x"})
    assert only == "ST401 instance 0: response has the keys ['debug', 'label'], training recorded ['label']"


def test_a_truth_without_a_recorded_label_is_held_beside_the_answer() -> None:
    drift = Drift()
    found(GoldenExample(instance=0, scores=SCORES, truth="left"), {"label": "top", "scores": list(SCORES)}, drift)
    assert drift.guessed == {"instance 0": ("left", "top")}
