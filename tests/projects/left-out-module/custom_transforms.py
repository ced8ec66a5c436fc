"""The transform of our own, beside the package."""

from PIL import Image, ImageOps


class StretchContrast:
    """Spread the tones of a grey image over the whole range."""

    def __init__(self, cutoff: float) -> None:
        self.cutoff = cutoff

    def __call__(self, image: Image.Image) -> Image.Image:
        return ImageOps.autocontrast(image, self.cutoff)
