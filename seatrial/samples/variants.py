"""An image again in the forms that clients send: other modes, sizes, tones and ratios, made by the tool's own Pillow.

They show that an image is answered or refused, not that an answer is right.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

Make = Callable[["Image"], bytes]

RATIOS = (100, 300, 1_000, 3_000, 10_000, 30_000)  # of the sides of a very long image
_SIZES = ((1, 1), (1, 2), (3, 2), (31, 33), (128, 64), (200, 200), (1024, 768), (1600, 1200))
_UNSEEN = 224  # pixels of a side: a cache of images grows by what they hold
_ROTATED = 6  # EXIF orientation: the first row is the right side


def image_of(instance: Any) -> bytes | None:
    """Return the image file in an instance, `{"b64": …}` or the text itself; None if there is none."""
    text = instance.get("b64") if isinstance(instance, dict) else instance
    if not isinstance(text, str):
        return None
    with contextlib.suppress(binascii.Error, ValueError):
        data = base64.b64decode(text, validate=True)
        if _opened(data):
            return data
    return None


def replaced(instance: Any, data: bytes) -> Any:
    """Return an instance with another image file in it."""
    text = base64.b64encode(data).decode("ascii")
    return {**instance, "b64": text} if isinstance(instance, dict) else text


def modes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the image in other modes and file formats, each with its name."""
    image = _opened(data)
    if image is not None:
        for name, make in _MODES.items():
            yield name, make(image)


def alike(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield files with exactly the image's pixels, each with its name: all of them show the same picture."""
    image = _opened(data)
    if image is None:
        return
    yield "as a PNG", _png(image)
    opaque = image.convert("RGBA")
    yield "as an opaque RGBA", _png(opaque)
    yield "as a TIFF", _saved(image, "TIFF")
    if image.mode == "L":
        yield "as a grey RGB", _png(image.convert("RGB"))
        yield "as an opaque LA", _png(image.convert("LA"))
        yield "as a grey palette", _png(image.convert("P"))


def sizes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the image in other sizes, then of one tone, each with its name."""
    image = _opened(data)
    if image is None:
        return
    for width, height in _SIZES:
        yield f"of {width} x {height} pixels", _png(image.resize((width, height)))
    for name, tone in (("black", 0), ("white", 255), ("grey", 128)):
        yield f"all {name}", _png(image.point([tone] * 256 * len(image.getbands())))


def mirrored(data: bytes) -> bytes:
    """Return the image with left and right exchanged."""
    from PIL import ImageOps

    image = _opened(data)
    return data if image is None else _png(ImageOps.mirror(image))


def unseen(data: bytes, number: int) -> bytes:
    """Return the image in a usual size, with a bar of tones that no other number below 512 gives it."""
    image = _opened(data)
    if image is None:
        return data
    image = image.resize((_UNSEEN, _UNSEEN))
    for place in range(3):
        left = place * _UNSEEN // 4
        # So large and so far apart that they are other ones after the image is made smaller, too.
        tone = (number >> 3 * place) % 8 * 36
        image.paste((tone,) * len(image.getbands()), (left, 0, left + _UNSEEN // 4, _UNSEEN // 4))
    return _png(image)


def resized(data: bytes, factor: float) -> bytes:
    """Return the image with longer or shorter sides."""
    image = _opened(data)
    if image is None:
        return data
    width, height = (max(1, round(side * factor)) for side in image.size)
    return _png(image.resize((width, height)))


def long(data: bytes, ratio: int, *, upright: bool = False) -> bytes:
    """Return a light image of this ratio, two pixels high or wide, with dark ends."""
    from PIL import Image

    image = _opened(data)
    size = (2 * ratio, 2)
    line = Image.new(image.mode if image else "L", size, "white")
    for x in (0, size[0] - 1):
        line.putpixel((x, 0), 0 if line.mode == "L" else (0, 0, 0))
    return _png(line.transpose(Image.Transpose.ROTATE_90) if upright else line)


def largest(data: bytes, pixels: int, at_most: int) -> bytes:
    """Return the image with so many pixels, or fewer, as a JPEG of fewer than `at_most` bytes."""
    from PIL import Image

    image = _opened(data)
    while image is not None:
        side = math.isqrt(pixels)
        large = image.resize((side, pixels // side), Image.Resampling.NEAREST)
        if len(made := _saved(large, "JPEG", quality=50)) < at_most or pixels == 1:
            return made
        pixels = pixels // 2
    return data


def _opened(data: bytes) -> Image | None:
    """Return the image in mode L or RGB; None if Pillow cannot read it."""
    import warnings

    from PIL import Image

    with warnings.catch_warnings(), contextlib.suppress(Exception):  # Pillow's decoders raise a dozen types
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        return image.convert("L" if image.mode in ("1", "L", "LA", "I;16", "I", "F") else "RGB")
    return None


def _saved(image: Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _png(image: Image) -> bytes:
    return _saved(image, "PNG", compress_level=1)


def _with_alpha(mode: str) -> Make:
    def make(image: Image) -> bytes:
        from PIL import Image

        layer = image.convert("LA" if mode == "LA" else "RGBA")
        layer.putalpha(Image.linear_gradient("L").resize(image.size))
        return _png(layer)

    return make


def _sixteen_bits(image: Image) -> bytes:
    return _png(image.convert("L").convert("I").point(lambda tone: tone * 257).convert("I;16"))


def _turned(image: Image) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = _ROTATED
    return _saved(image, "JPEG", exif=exif)


def _transparent_palette(image: Image) -> bytes:
    return _saved(image.convert("RGB").quantize(16), "PNG", transparency=0)


# Those of Pillow's modes that a file can have, as docs of PNG, JPEG, TIFF and GIF list them.
_MODES: dict[str, Make] = {
    "as RGB": lambda image: _png(image.convert("RGB")),
    "as L": lambda image: _png(image.convert("L")),
    "as RGBA": _with_alpha("RGBA"),
    "as LA": _with_alpha("LA"),
    "as P": lambda image: _png(image.convert("RGB").quantize(16)),
    "as P with transparency": _transparent_palette,
    "as 1 bit": lambda image: _png(image.convert("1")),
    "as CMYK": lambda image: _saved(image.convert("CMYK"), "JPEG"),
    "as 16 bits": _sixteen_bits,
    "as 32-bit floats": lambda image: _saved(image.convert("F"), "TIFF"),
    "as GIF": lambda image: _saved(image.convert("P"), "GIF"),
    "turned by EXIF": _turned,
}
