"""Two arrays of a stage: how much differs, where, and by what one is made from the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from seatrial.golden.stages import compare
from seatrial.golden.stages.store import Recorded, Recording
from seatrial.golden.stages.values import parts
from seatrial.golden.stages.watch import Call

if TYPE_CHECKING:
    from seatrial.golden.stages.tensors import Array

_RANDOM = np.random.default_rng(1)
PHOTO = _RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
SHARES = np.ascontiguousarray(PHOTO.transpose(2, 0, 1) / np.float32(255)).astype(np.float32)


def told(folder: Path, was: object, now: object, full: int = 1) -> dict[str, Any] | None:
    recording = Recording(full)
    recording.begin("")
    recording.see(Call("x", "transform"), was)
    recording.write(folder, {}, "batched")
    recorded = Recorded(folder)
    (part,) = recorded.inputs[0]["stages"][0]["parts"]
    return compare.difference(recorded, part, parts(now)[0])


def relation(folder: Path, was: Array, now: Array) -> dict[str, Any]:
    found = told(folder, was, now)
    assert found is not None
    (one,) = found["relations"]
    return one  # type: ignore[no-any-return]


def test_equal_arrays_do_not_differ(tmp_path: Path) -> None:
    assert told(tmp_path, PHOTO, PHOTO.copy()) is None
    assert told(tmp_path, np.array([0.0, np.nan]), np.array([-0.0, np.nan])) is None


@pytest.mark.parametrize("full", [0, 1], ids=["samples", "all numbers"])
def test_one_pixel_is_measured_and_found(tmp_path: Path, full: int) -> None:
    small = PHOTO[:10, :10]  # 300 numbers, so that the samples are all of them
    now = small.copy()
    now[3, 4, 1] ^= 7
    found = told(tmp_path, small, now, full)
    assert found is not None
    assert 1 <= found["largest"] <= 7
    assert found["share"] == pytest.approx(1 / 300)
    assert found.get("where") == ("in rows 3-3 of 10 and columns 4-4 of 10, only in channel 1" if full else None)


def test_another_shape_type_or_mode_is_told(tmp_path: Path) -> None:
    image = Image.fromarray(PHOTO)
    assert (told(tmp_path, PHOTO, PHOTO[1:]) or {})["shape"] == [[20, 30, 3], [19, 30, 3]]
    assert (told(tmp_path, SHARES, SHARES.astype(np.float64)) or {})["dtype"] == ["float32", "float64"]
    assert (told(tmp_path, image, image.convert("YCbCr")) or {})["mode"] == ["RGB", "YCbCr"]


def test_the_order_of_colours_is_recognised(tmp_path: Path) -> None:
    assert relation(tmp_path, PHOTO, PHOTO[..., ::-1]) == {"is": "channels reversed"}
    assert relation(tmp_path, SHARES, SHARES[::-1]) == {"is": "channels reversed"}


def test_a_missing_division_is_recognised_in_samples_too(tmp_path: Path) -> None:
    assert relation(tmp_path, SHARES, SHARES * np.float32(255)) == {"is": "scaled", "factor": 255}
    found = told(tmp_path, SHARES, SHARES * np.float32(255), full=0)
    assert found is not None
    assert found["relations"] == [{"is": "scaled", "factor": 255}]


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.rot90, lambda a: np.rot90(a, 2), lambda a: a.swapaxes(0, 1)])
def test_a_turned_image_is_recognised(tmp_path: Path, turn: Any) -> None:
    assert relation(tmp_path, PHOTO, np.ascontiguousarray(turn(PHOTO)))["is"] == "turned"


def test_another_mean_and_deviation_are_recognised(tmp_path: Path) -> None:
    mean, std = np.array([0.4, 0.5, 0.6], np.float32)[:, None, None], np.float32(0.25)
    found = relation(tmp_path, (SHARES - mean) / std, (SHARES - np.float32(0.5)) / np.float32(0.5))
    assert found["is"] == "linear"
    assert found["factors"] == pytest.approx([0.5] * 3, rel=1e-3)


def test_noise_has_no_relation(tmp_path: Path) -> None:
    found = told(tmp_path, SHARES, SHARES + _RANDOM.normal(0, 0.1, SHARES.shape).astype(np.float32))
    assert found is not None
    assert found["relations"] == []


def test_a_ranking_differs_only_by_more_than_rounding() -> None:
    scores = np.array([0.5, 0.3, 0.2])
    assert compare.ranking(scores, scores * 0.9) == ""
    assert compare.ranking(scores, np.array([0.3, 0.5, 0.2])) == (
        "place 1 of the ranking has output 1 instead of output 0"
    )
    assert compare.ranking(np.array([0.5, 0.5 - 1e-7]), np.array([0.5 - 1e-7, 0.5])) == ""
