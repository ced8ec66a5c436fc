"""scikit-learn's bundled digits as a scanner would send them: PNG and JPEG files of a page with one digit.

A scan is 8 x 8 ink levels. Here it becomes grey ink on a page, and the page an image file; both depend only on the
scan and its index.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

MOST_INK = 16  # sklearn.datasets.load_digits: "Features: integers 0-16"
PAGE_SIDE = 96  # pixels
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Scan:
    """One digit on a page: `data` is the image file, `suffix` its format, `label` the digit."""

    index: int
    label: str
    suffix: str
    data: bytes

    def open(self) -> Image.Image:
        """Return the page as the server opens it."""
        return Image.open(io.BytesIO(self.data)).convert("RGB")


def load() -> tuple[Scan, ...]:
    """Return all scans in the order of the data set; every second one is a JPEG."""
    digits = load_digits()
    return tuple(
        _scan(index, levels, str(label))
        for index, (levels, label) in enumerate(zip(digits.images, digits.target, strict=True))
    )


def _scan(index: int, levels: np.ndarray, label: str) -> Scan:
    page, file = _page(index, levels), io.BytesIO()
    if index % 2:
        page.save(file, "JPEG", quality=JPEG_QUALITY)
        return Scan(index, label, ".jpg", file.getvalue())
    page.save(file, "PNG", optimize=True)
    return Scan(index, label, ".png", file.getvalue())


def _page(index: int, levels: np.ndarray) -> Image.Image:
    """Draw the digit on a page; size, place and tones vary from page to page, as with a scanner."""
    choose = random.Random(index)  # noqa: S311 - not a secret
    side = choose.randint(44, 76)
    corner = (choose.randint(0, PAGE_SIDE - side), choose.randint(0, PAGE_SIDE - side))
    page = Image.new("L", (PAGE_SIDE, PAGE_SIDE), choose.randint(215, 255))
    ink = Image.fromarray((levels * (255 / MOST_INK)).round().astype(np.uint8))
    page.paste(choose.randint(0, 70), corner, mask=ink.resize((side, side), Image.Resampling.BICUBIC))
    return page
