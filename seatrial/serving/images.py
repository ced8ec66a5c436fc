"""From an instance to a Pillow image, opened as the settings say and exactly as training opened it.

What is not an image, is damaged or is too large is refused with a message for the client. Nothing is resized: what
happens between the image and the tensor is the predictor's `preprocess`.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import io
import re
from typing import TYPE_CHECKING

from seatrial.serving.answers import AnswerError

if TYPE_CHECKING:
    from PIL.Image import Image

    from seatrial.serving.settings import ImageSettings

# torchvision.datasets.folder.IMG_EXTENSIONS, and GIF and AVIF. Pillow opens more, but some of those start a
# program (EPS starts Ghostscript) and none is for photos; a predictor that needs one defines decode().
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "AVIF")


def require_pillow() -> None:
    """Import Pillow now, so that an environment without it fails the load and not the first request."""
    importlib.import_module("PIL.Image").init()


def image_bytes(instance: object) -> bytes:
    """Take an image file out of an instance: `{"b64": "..."}` or the bare base64 string.

    Raises:
        AnswerError: status 400; another shape, or not strict base64 (RFC 4648, section 4).
    """
    text = instance.get("b64") if isinstance(instance, dict) else instance
    if not isinstance(text, str):
        raise AnswerError(400, 'an instance is {"b64": "<base64 of an image file>"} or that string itself')
    if text.startswith("data:"):
        raise AnswerError(400, "the image is a data: URL; strip the prefix up to and including the comma")
    if not text:
        raise AnswerError(400, "the image is an empty string")
    if re.search(r"\s", text):
        raise AnswerError(400, "the base64 contains line breaks or spaces; encode it on one line (`base64 -w0`)")
    if "-" in text or "_" in text:
        raise AnswerError(400, "the base64 is in the URL-safe alphabet; use the standard one, with + and /")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AnswerError(400, f"the image is not base64: {error}") from None


def open_image(data: bytes, settings: ImageSettings) -> Image:
    """Decode an image file.

    `exif` "apply" turns the image upright. `alpha` "white" or "black" puts that colour behind transparent
    pixels; "drop" shows the colour they have, as torchvision's ImageFolder does. Then the image is converted to
    `mode`; "keep" leaves it in the file's own mode, or in RGB where a background was put behind it.

    Raises:
        AnswerError: status 400 for a file that is not an image or is damaged, 413 for more than `max_pixels`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # the predictor's own, only where it is used

    try:
        known = [name for name in FORMATS if name in Image.OPEN]  # AVIF is younger than some Pillows
        image: Image.Image = Image.open(io.BytesIO(data), formats=known)
        _check_size(image, settings.max_pixels)
        image.load()
        if settings.exif == "apply":
            image = ImageOps.exif_transpose(image)
        if settings.alpha != "drop":
            image = _on_background(image, settings.alpha)
        return image if settings.mode == "keep" else image.convert(settings.mode)
    except AnswerError:
        raise
    except UnidentifiedImageError:
        raise AnswerError(400, f"the file is not an image of a known format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise AnswerError(413, f"the image is too large: {error}") from None
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise a dozen types on damaged files
        raise AnswerError(400, f"the image cannot be decoded: {error}") from None


def _check_size(image: Image, max_pixels: int) -> None:
    width, height = image.size  # from the header: nothing is decoded yet
    if width * height > max_pixels:
        raise AnswerError(413, f"the image has {width} x {height} pixels; the limit is {max_pixels}")


def _on_background(image: Image, color: str) -> Image:
    from PIL import Image as PillowImage

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    layer = image.convert("RGBA")
    background = PillowImage.new("RGBA", layer.size, color)
    return PillowImage.alpha_composite(background, layer).convert("RGB")
