"""Pictures of what differs: files that any reader of PNG opens, with the difference where it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seatrial.golden.stages.pictures import Album, png

GAP = 4


def drawn(folder: Path, before: Any, now: Any) -> tuple[dict[str, Any], Any]:
    told = Album(folder).add("To/Tensor", before, now)
    return told, np.asarray(Image.open(folder / told["picture"]))


def test_a_png_is_read_back_to_the_bit() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


def test_both_images_stand_beside_the_difference_which_is_white_where_it_is_largest(tmp_path: Path) -> None:
    before = np.zeros((3, 64, 128), np.float32)  # a tensor: channels first
    before[:, :, 64:] = 1.0
    now = before.copy()
    now[1, 10, 20] += 0.5
    now[1, 12, 30] += 0.25
    told, picture = drawn(tmp_path, before, now)
    assert told == {"picture": "01-To-Tensor.png", "amplified": 2.0}
    assert picture.shape == (64, 3 * 128 + 2 * GAP, 3)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[0, 127].tolist() == [255, 255, 255]
    difference = picture[:, 2 * (128 + GAP) :]
    assert difference[10, 20].tolist() == [255] * 3
    assert difference[12, 30].tolist() == [127] * 3
    assert np.count_nonzero(difference.max(axis=2)) == 2


def test_images_of_two_sizes_have_no_difference_and_small_ones_get_larger_pixels(tmp_path: Path) -> None:
    told, picture = drawn(tmp_path, np.zeros((32, 32), np.uint8), np.ones((64, 64, 3), np.uint8))
    assert told["amplified"] == 0.0
    assert picture.shape == (128, 128 + GAP + 128, 3)


def test_a_large_image_is_thinned_out(tmp_path: Path) -> None:
    large = np.zeros((1030, 700, 3), np.uint8)
    assert drawn(tmp_path, large, large + np.uint8(1))[1].shape == (344, 3 * 234 + 2 * GAP, 3)


@pytest.mark.parametrize("shape", [(10,), (4, 10), (2, 5, 6, 7), (1, 9, 9, 3, 3), (0, 0, 3)])
def test_what_is_no_image_has_no_picture(tmp_path: Path, shape: tuple[int, ...]) -> None:
    told = Album(tmp_path).add("x", np.zeros(shape), np.ones(shape))
    assert bool(told) == (len(shape) == 2)  # rows and columns may well be an image


def test_not_a_number_and_infinity_are_drawn_too(tmp_path: Path) -> None:
    before = np.full((8, 8), np.nan)
    before[0] = 1.0
    now = np.full((8, 8), np.inf)
    assert drawn(tmp_path, before, now)[1].shape[2] == 3


def test_an_album_has_an_end(tmp_path: Path) -> None:
    album = Album(tmp_path)
    told = [album.add("x", np.zeros((8, 8)), np.ones((8, 8))) for _ in range(20)]
    assert sum(map(bool, told)) == len(list(tmp_path.iterdir())) == 12
