"""Known reasons: each is told for a stage that has its shape, and none for one that has not."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.trial.known_changes import Case, reason

JPEG, PNG = b"\xff\xd8\xff\xe0", b"\x89PNG"
OLD = {"torchvision": "0.16.2+cpu", "pillow": "8.4.0", "libjpeg": "turbo 2.1.1"}
NEW = {"torchvision": "0.29.2+cu132", "pillow": "13.0.0", "libjpeg": "turbo 3.2.0"}


def why(
    stage: dict[str, Any],
    was: dict[str, str] = NEW,
    now: dict[str, str] = NEW,
    file: bytes = PNG,
    **found: Any,
) -> str:
    whole = {"phase": "transform", "name": ["x", "x"], "detail": ["", ""], "training": [None, None]} | {
        "replaced": [[], []],
        "relations": [],
        "largest": 1.0,
    }
    told = reason(Case({**whole, **stage}, was, now, found, file))
    return told.text if told else ""


def named(name: str, was: str = "", now: str = "", **more: Any) -> dict[str, Any]:
    return {"name": [name, name], "detail": [was, now], **more}


LINE = {"relations": [{"is": "linear", "factors": [1.0], "offsets": [0.1]}]}
IMAGENET = "Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])"
LARGE = "Normalize(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4])"
SWAPPED = "Normalize(mean=[0.229, 0.224, 0.225], std=[0.485, 0.456, 0.406])"


def test_antialiasing_is_told_between_the_versions_or_where_it_is_written() -> None:
    assert "antialiasing on one side" in why(named("Resize"), OLD, NEW)
    assert "antialiasing on one side" in why(named("Resize", "Resize(8, antialias=None)", "Resize(8, antialias=True)"))
    assert why(named("Resize"), NEW, NEW) == ""


def test_an_int_as_size_is_told_from_a_pair_by_the_shape() -> None:
    assert "keeps the proportions" in why(named("Resize", shape=[[256, 340, 3], [256, 256, 3]]))
    pair, number = "Resize(size=(256, 256), antialias=True)", "Resize(size=[256], antialias=True)"
    assert "keeps the proportions" in why(named("Resize", pair, number, shape=[[3, 256, 256], [3, 256, 300]]))


def test_another_number_as_size_is_told_as_such() -> None:
    was, now = "Resize(size=235, antialias=True)", "Resize(size=224, antialias=True)"
    assert why(named("Resize", was, now, shape=[[235, 267, 3], [224, 255, 3]])) == "the image gets another size"
    assert why(named("resize", shape=[[1, 3, 32, 32], [1, 3, 48, 48]])) == "the image gets another size"


def test_a_missing_division_names_the_side_and_the_argument() -> None:
    scaled = {"relations": [{"is": "scaled", "factor": 255}], "replaced": [["ToTensor"], ["ToImage", "ToDtype"]]}
    assert "not divided by 255 now" in why(scaled)
    assert "scale=True" in why(scaled)
    assert "in training" in why({"relations": [{"is": "scaled", "factor": 1 / 255}]})


@pytest.mark.parametrize(
    ("now", "words"),
    [(LARGE, "units of 0 to 255 now"), (SWAPPED, "swapped"), ("Normalize(mean=[0.5], std=[0.5])", "are others")],
)
def test_statistics_are_told_from_each_other(now: str, words: str) -> None:
    assert words in why(named("Normalize", IMAGENET, now, **LINE))


def test_colours_and_orientation_are_told_by_the_pixels() -> None:
    assert "BGR" in why({"phase": "decode", "relations": [{"is": "channels reversed"}]})
    assert "EXIF" in why({"phase": "decode", "relations": [{"is": "turned"}]})


def test_the_decoder_is_told_for_jpeg_alone() -> None:
    assert "Pillow 9.0" in why({"phase": "decode"}, OLD, NEW, JPEG)
    assert "turbo 2.1.1 in training" in why({"phase": "decode"}, {**NEW, "libjpeg": "turbo 2.1.1"}, NEW, JPEG)
    assert why({"phase": "decode"}, OLD, NEW, PNG) == ""


def test_training_mode_chance_and_batch_are_told_by_what_was_seen() -> None:
    output = {"phase": "output", "name": ["ResNet", "ResNet"]}
    assert "eval() was not called" in why({**output, "training": [False, True]})
    assert "depends on chance" in why(output, unstable="ResNet")
    assert "what else is in the batch" in why(output, depends_on_batch=0.5)
    assert why(output, depends_on_batch=1e-7) == ""
