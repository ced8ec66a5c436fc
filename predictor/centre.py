"""A custom transform: find the ink on a page and put it in the middle of a square.

torchvision has no transform that looks at what is drawn; without one, a digit in a corner of the page would
reach the model small and off centre. It adds nothing but paper. Only ink longer than `LONGEST` is scaled: the square
is as high as the ink is long, so a page of one long line would otherwise fill the memory.
"""

from __future__ import annotations

from PIL import Image
from torch import nn

LONGEST = 2048  # pixels of the ink's longer side; larger ink is scaled to it


class CentreInk(nn.Module):
    """Crop a grey page to the square around its ink, filled up with the page's own paper tone."""

    def __init__(self, margin: float = 0.2) -> None:
        """Leave `margin` of the ink's longer side free on each side."""
        super().__init__()
        self.margin = margin

    def forward(self, page: Image.Image) -> Image.Image:
        """Return the square around the ink of `page`, mode L, dark ink on light paper.

        A page of one tone has no ink and is returned as it is.
        """
        darkest, paper = page.getextrema()
        if darkest == paper:
            return page
        left, top, right, bottom = _ink_box(page, threshold=(darkest + paper) // 2)
        longer = max(right - left, bottom - top)
        if longer > LONGEST:
            page = _scaled(page.crop((left, top, right, bottom)), LONGEST / longer)
            (left, top), (right, bottom) = (0, 0), page.size
            longer = max(right, bottom)
        side = longer + 2 * round(self.margin * longer)
        square = Image.new("L", (side, side), paper)
        square.paste(page, ((side - left - right) // 2, (side - top - bottom) // 2))
        return square


def _ink_box(page: Image.Image, threshold: int) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of all pixels not lighter than `threshold`; there is at least one."""
    ink = page.point([255 if tone <= threshold else 0 for tone in range(256)])
    return ink.getbbox()


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    """Return `image` in another size; no side becomes shorter than one pixel."""
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)
