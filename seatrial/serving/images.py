"""From an instance to a Pillow image, opened as the settings say and exactly as training opened it.

What is not an image, is damaged or is too large is refused with a message for the client. Nothing is resized: what
happens between the image and the tensor is the predictor's `preprocess`.
"""

from __future__ import annotations

import binascii
import importlib
import re
from typing import TYPE_CHECKING

from seatrial.serving import bounds
from seatrial.serving.refusal import AnswerError

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
    """Take an image file out of an instance: `{"b64": "..."}`, the base64 string itself, or a data: URL of it.

    Both alphabets of base64 are taken, the standard one and that for URLs (RFC 4648, sections 4 and 5).

    Raises:
        AnswerError: status 400; another shape, or not base64.
    """
    text = instance.get("b64") if isinstance(instance, dict) else instance
    if not isinstance(text, str):
        raise AnswerError(400, 'an instance is {"b64": "<base64 of an image file>"} or that string itself')
    if not text:
        raise AnswerError(400, "the image is an empty string")
    import pybase64  # of the runtime's own lock: training opens images without it

    try:  # what nearly all send; its mistakes are looked for only when it fails
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return _unusual(text)


def _unusual(text: str) -> bytes:
    """Decode a data: URL or the alphabet for URLs, or say what is wrong."""
    if text.startswith("data:"):
        kind, comma, text = text.partition(",")
        if not comma or not kind.endswith(";base64"):
            raise AnswerError(400, "the data: URL is not base64: it needs `;base64,` before the data")
    if re.search(r"\s", text):
        raise AnswerError(400, "the base64 contains line breaks or spaces; encode it on one line (`base64 -w0`)")
    if "-" in text or "_" in text:
        if "+" in text or "/" in text:
            raise AnswerError(400, "the base64 mixes the standard alphabet (+ and /) with that for URLs (- and _)")
        text = text.translate(_FROM_URLS) + "=" * (-len(text) % 4)  # often without its padding
    import pybase64

    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AnswerError(400, f"the image is not base64: {error}") from None


_FROM_URLS = str.maketrans("-_", "+/")


def open_image(data: bytes, settings: ImageSettings) -> Image:
    """Decode an image file.

    `exif` "apply" turns the image upright. `alpha` "white" or "black" puts that colour behind transparent
    pixels; "drop" shows the colour they have, as torchvision's ImageFolder does. Then the image is converted to
    `mode`; "keep" leaves it in the file's own mode, or in RGB where a background was put behind it.

    Raises:
        AnswerError: status 400 for a file that is not an image, is damaged or asks too much of its decoder (see
            `seatrial.serving.bounds`), 413 for more than `max_pixels`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # the predictor's own, only where it is used

    try:
        known = [name for name in FORMATS if name in Image.OPEN]  # AVIF is younger than some Pillows
        bounds.check_exif(data)
        file = bounds.Opening(data)
        image: Image.Image = Image.open(file, formats=known)
        _check_size(image, settings.max_pixels)
        bounds.check_work(image, data, settings.max_pixels)
        file.opened(image.width * image.height)
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
    except Image.DecompressionBombError:
        limit = min(settings.max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or 0))  # Pillow's own bound is twice that
        raise AnswerError(413, f"the image has more than {limit} pixels, the limit (serving.max-pixels)") from None
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise a dozen types on damaged files
        raise AnswerError(400, f"the image cannot be decoded: {error}") from None


def _check_size(image: Image, max_pixels: int) -> None:
    width, height = image.size  # from the header: nothing is decoded yet
    if width * height > max_pixels:
        raise AnswerError(
            413, f"the image has {width} x {height} pixels; the limit is {max_pixels} (serving.max-pixels)"
        )


def _on_background(image: Image, color: str) -> Image:
    from PIL import Image as PillowImage

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    layer = image.convert("RGBA")
    background = PillowImage.new("RGBA", layer.size, color)
    return PillowImage.alpha_composite(background, layer).convert("RGB")
